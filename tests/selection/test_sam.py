import types

import numpy as np
import pytest
import torch
from transformers import SamConfig, SamModel

from tests.support.tiny import engine
from uhrbat.checkpoints import hub
from uhrbat.engine import UHRBAT
from uhrbat.errors import CheckpointError
from uhrbat.imagery import canvas_of
from uhrbat.selection.regions import BACKGROUND
from uhrbat.selection.sam import SamSettings, Segmenter
from uhrbat.serving.server.models import Models, Offer
from uhrbat.settings import Settings

SIZE, LOW = 64, 16


class Drawn:
    """Stands in for SamModel: three discs and what the points in them are answered with."""

    discs = ((16, 16, 14), (20, 20, 5), (48, 44, 10))  # x, y, radius in input pixels; the second lies in the first

    def __init__(self):
        self.config = types.SimpleNamespace(vision_config=types.SimpleNamespace(image_size=SIZE))
        self.device, self.dtype, self.images = torch.device("cpu"), torch.float32, 0

    def eval(self):
        return self

    def get_image_embeddings(self, pixels):
        assert pixels.shape == (1, 3, SIZE, SIZE)
        self.images += 1
        return pixels

    def mask(self, disc, sharp=20.0):
        x, y, radius = disc
        line = (torch.arange(LOW) + 0.5) * SIZE / LOW
        return sharp * (radius - ((line[None] - x) ** 2 + (line[:, None] - y) ** 2).sqrt())

    def __call__(self, image_embeddings, input_points, multimask_output):
        masks, scores = [], []
        for x, y in input_points[0, :, 0].tolist():
            inside = [disc for disc in self.discs if (x - disc[0]) ** 2 + (y - disc[1]) ** 2 < disc[2] ** 2]
            smallest = min(inside, key=lambda disc: disc[2], default=None)
            good = self.mask(smallest) if smallest else torch.full((LOW, LOW), -9.0)
            unstable = self.mask((32, 32, 20), sharp=0.05)
            poor = torch.ones(LOW, LOW)
            masks.append(torch.stack([good, unstable, poor]))
            scores.append([0.95, 0.97, 0.3])
        return types.SimpleNamespace(pred_masks=torch.stack(masks)[None], iou_scores=torch.tensor(scores)[None])


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 255, (100, 100, 3), np.uint8)


def test_good_masks_are_kept_once_and_painted_from_large_to_small(picture):
    labels = Segmenter(Drawn(), SamSettings(points=16, batch=50)).label_map(picture)
    assert labels.shape == (SIZE, SIZE) and labels.dtype == np.int32
    assert set(np.unique(labels)) == {0, 1, 2, 3}  # neither the unstable mask nor the poor one, each disc once
    assert labels[8, 16] == 1 and labels[44, 48] == 2 and labels[20, 20] == 3
    assert labels[0, 63] == 0 and labels[32, 32] == 0


def test_progress_is_told_and_may_stop(picture):
    reply = []
    Segmenter(Drawn(), SamSettings(points=8, batch=16)).label_map(picture, reply.append)
    assert reply == [0.0, 0.25, 0.5, 0.75]
    with pytest.raises(ZeroDivisionError):
        Segmenter(Drawn()).label_map(picture, lambda share: 1 / 0)


@pytest.fixture(scope="module")
def tiny_sam(tmp_path_factory):
    torch.manual_seed(0)
    config = SamConfig(
        vision_config={
            "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": SIZE, "patch_size": 8,
            "mlp_dim": 32, "output_channels": 32, "window_size": 2, "global_attn_indexes": [0], "num_pos_feats": 16,
        },
        prompt_encoder_config={"hidden_size": 32, "image_size": SIZE, "patch_size": 8, "mask_input_channels": 4},
        mask_decoder_config={
            "hidden_size": 32, "mlp_dim": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("sam")
    SamModel(config).save_pretrained(folder)
    return folder


def test_a_tiny_sam_partitions_a_scene_once_an_image(tiny_sam):
    model = engine()
    kept = model.segmenter
    model.segmenter = Segmenter.from_pretrained(
        str(tiny_sam), settings=SamSettings(points=4, quality=-99, offset=0.0, overlap=0.99)
    )
    calls = []
    label_map = model.segmenter.label_map
    model.segmenter.label_map = lambda *args: calls.append(1) or label_map(*args)
    try:
        pixels = np.random.default_rng(1).integers(0, 255, (300, 400, 3), np.uint8)
        scene = model.encode_canvas(canvas_of(pixels))
        views = [scene.ask(question, Settings(regions="sam")) for question in ("Is there a car?", "Where?")]
    finally:
        model.segmenter = kept
    assert len(calls) == 1
    assert len(scene.masks().shape) == 2 and scene.masks().max() > 0
    for size in model.scales:
        assert torch.equal(views[0].regions[size], views[1].regions[size])
    assert views[0].select(40).answer(max_new_tokens=2).tokens == 40


def test_a_worker_offers_the_regions_of_a_sam_that_it_has(tiny_sam, monkeypatch):
    def load(*_):
        return UHRBAT("tiny", engine().network, engine().codec)

    monkeypatch.setattr(hub, "on_disk", lambda name: False)
    assert Models(Offer(), load).infos()[0].regions == ("kmeans", "grid", "none")
    reply = Models(Offer(sam=str(tiny_sam)), load)
    assert "sam" in reply.infos()[0].regions
    scene = reply.get("nano").encode_canvas(canvas_of(np.full((300, 300, 3), 90, np.uint8)))
    assert scene.masks().shape == (SIZE, SIZE)  # of that SAM
    monkeypatch.setattr(hub, "on_disk", lambda name: name == hub.SAM)
    assert "sam" in Models(Offer(), load).infos()[0].regions


def test_masks_of_ones_own_are_used_and_background_tokens_stand_alone():
    scene = engine().encode_canvas(canvas_of(np.full((300, 300, 3), 90, np.uint8)))
    masks = np.zeros((300, 300), np.int32)
    masks[:, :150] = 7
    scene.use_masks(masks)
    view = scene.ask("Is there a car?", Settings(regions="sam"))
    regions = view.regions[672]
    assert set(regions.tolist()) == {BACKGROUND, 7} and (regions == 7).sum() == 1152
    assert not view.rankings[672].averaged[regions == BACKGROUND].any()
    assert view.rankings[672].averaged[regions == 7].any()


def test_a_folder_that_holds_no_sam_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be read as a SAM"):
        Segmenter.from_pretrained(str(tmp_path))
