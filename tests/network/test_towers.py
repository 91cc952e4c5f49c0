import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.support.layouts import released_network, write_clip, write_released
from uhrbat.checkpoints.layouts import CONTRAST
from uhrbat.engine import UHRBAT
from uhrbat.errors import InputError
from uhrbat.imagery import canvas_of
from uhrbat.network.towers import build_tower, value_features
from uhrbat.settings import Settings


@pytest.fixture(scope="module")
def tiles():
    return torch.randn(2, 3, 336, 336, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def clip_engine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    write_released(folder / "ckpt", text=True)
    return UHRBAT.from_pretrained(str(folder / "ckpt"), device="cpu")


@torch.no_grad()
def test_clip_features_are_the_hidden_state_before_the_last_layer(tiles):
    network = released_network()
    theirs = network.vision(tiles, output_hidden_states=True).hidden_states[-2][:, 1:]
    torch.testing.assert_close(network.features(tiles), theirs)


@torch.no_grad()
def test_value_features_are_what_a_token_attending_to_itself_alone_adds():
    network = released_network()
    features = torch.randn(4, 24)
    last = network.vision.encoder.layers[-1]
    alone = [last.self_attn(last.layer_norm1(token[None, None]))[0][0, 0] for token in features]
    expected = network.vision.post_layernorm(torch.stack(alone))
    torch.testing.assert_close(value_features(network.vision, features), expected)


@torch.no_grad()
def test_questions_are_encoded_as_clip_encodes_them(clip_engine, tmp_path):
    clip = write_clip(tmp_path)
    ids = clip_engine.codec.similarity_ids("is it a ship?", 77)
    assert ids[0] == clip_engine.codec.text_tokenizer.bos_token_id
    theirs = clip.get_text_features(input_ids=torch.tensor([ids]))
    theirs = getattr(theirs, "pooler_output", theirs)
    torch.testing.assert_close(clip_engine.question_vector("is it a ship?"), F.normalize(theirs, dim=-1)[0])


def test_a_pretrained_clip_scores_every_scale_of_the_released_model(clip_engine):
    pixels = np.random.default_rng(0).integers(0, 255, (300, 500, 3), np.uint8)
    scene = clip_engine.encode_canvas(canvas_of(pixels))
    for method in ("similarity", "fused"):
        view = scene.ask("a ship", Settings(importance=method))
        assert view.scored_scales == (336, 672)
        assert all(values.std() > 0 and values.min() >= 0 for values in view.importance.values())
    nothing = scene.ask(CONTRAST[0], Settings(importance="similarity"))
    assert all(values.max() <= 0.5 + 1e-4 for values in nothing.importance.values())


def test_similarity_can_be_left_out_and_its_absence_is_told(tmp_path):
    write_released(tmp_path / "ckpt", text=True)
    engine = UHRBAT.from_pretrained(str(tmp_path / "ckpt"), device="cpu", similarity=False)
    scene = engine.encode_canvas(canvas_of(np.zeros((50, 50, 3), np.uint8)))
    with pytest.raises(InputError, match="has no text tower: choose the importance 'attention'"):
        scene.ask("a ship", Settings(importance="similarity"))


@pytest.mark.parametrize(("kind", "fields"), [("siglip", {}), ("clip", {"image_size": 224, "patch_size": 14})])
def test_a_tower_that_does_not_fit_tiles_is_refused(kind, fields):
    with pytest.raises(ValueError, match="tower"):
        build_tower(kind, fields)
