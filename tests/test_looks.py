import numpy as np
import pytest
import torch
from PIL import Image

from tests.support.tiny import engine
from tools.look_recall import looked_at
from uhrbat import looks
from uhrbat.errors import ImageError, InputError
from uhrbat.geometry import Square
from uhrbat.imagery import apart, canvas_of, scale_image
from uhrbat.settings import Settings

QUESTION = "How many ships are there?"
WIDTH, HEIGHT = 2800, 2400
"""The tiny model's finest scale is 1344, so there is one native scale, 2688."""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    pixels = np.random.default_rng(0).integers(90, 110, (HEIGHT, WIDTH, 3), np.uint8)
    pixels[1500:1512, 2000:2012] = (250, 20, 20)
    path = tmp_path_factory.mktemp("looks") / "large.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture(scope="module")
def image(file):
    return engine().encode(file, progress=None)


@pytest.fixture(scope="module")
def question(image):
    return image.ask(QUESTION, looks=6)


def test_without_looks_nothing_is_different(image, question):
    plain = image.ask(QUESTION, looks=0)
    assert plain.image is image and image.square.sizes == (672, 1344) and not plain.looks
    fresh = engine().encode(image.info.path, progress=None).ask(QUESTION)
    for size in (672, 1344):
        assert torch.equal(plain.rankings[size].rank, fresh.rankings[size].rank)
        assert torch.equal(plain.rankings[size].rank, question.rankings[size].rank)
    assert str(plain.select(300).answer()) == str(fresh.select(300).answer())


def test_so_many_tiles_are_looked_at_and_their_tokens_join_the_ranking(question):
    ((size, tiles),) = question.image.square.looks
    assert size == 2688 and len(tiles) == 6 == question.looks
    assert len(question.rankings[2688].rank) == 6 * 576 == len(question.image.embeddings[2688])
    assert set(question.budgets(1000)) == {672, 1344, 2688}


def test_a_budget_with_looks_is_a_prefix_too(question):
    kept = {}
    for budget in (50, 500, 3000):
        selected = question.select(budget)
        assert sum(selected.budgets.values()) == budget
        new = {size: set(torch.nonzero(part.kind).flatten().tolist()) for size, part in selected.selections.items()}
        assert all(kept.get(size, set()) <= found for size, found in new.items())
        kept = new
    assert kept[2688]


def test_what_stands_out_is_looked_at_first(image):
    first = image.ask(QUESTION, looks=1)
    box = (2000, 1500, 2012, 1512)
    ((size, tiles),) = first.image.square.looks
    assert set(image.square.tiles_in_box(size, box)) & set(tiles)


def test_more_looks_are_a_longer_prefix_and_all_is_all(image):
    square = image.square
    order = looks.plan(square, image.saliency(), image.ask(QUESTION).importance[1344])
    shown = square.tiles_in_box(2688, (0, 0, WIDTH, HEIGHT))
    assert sorted(order) == [(2688, tile) for tile in shown.tolist()]
    few, more = (image.ask(QUESTION, looks=count).image.square.looks[0][1] for count in (5, 9))
    assert set(few) < set(more)


def test_the_share_of_even_looks_and_the_question_s_weight_may_be_others(image):
    square, cells, importance = image.square, image.saliency(), image.ask(QUESTION).importance[1344]
    order = looks.plan(square, cells, importance)
    assert looks.plan(square, cells, importance, looks.EVEN, looks.QUESTION_WEIGHT) == order
    (first,) = looked_at(square, order, [(2000, 1500, 2012, 1512)])
    assert first == 1
    evenly = looks.plan(square, cells, importance, even=1)
    assert sorted(evenly) == sorted(order) and evenly != order


def test_a_tile_s_pixels_are_those_of_the_square_at_its_scale(image, file):
    """Its tokens are those that encoding the whole scale would give."""
    with Image.open(file) as opened:
        whole = scale_image(canvas_of(opened), 2688)
    tile = image.square.tiles_in_box(2688, (2000, 1500, 2012, 1512))[0]
    row, column = divmod(int(tile), 8)
    pixels = whole[row * 336 : (row + 1) * 336, column * 336 : (column + 1) * 336]
    config = engine().network.config
    normalised = ((pixels / 255 - config.image_mean) / config.image_std).transpose(2, 0, 1)[None]
    with torch.inference_mode():
        expected = engine().network.project(engine().features(torch.as_tensor(normalised).float()))[0]
    found = image.look({2688: [tile]}).embeddings[2688]
    assert torch.allclose(found, expected, atol=2e-3)


def test_padding_of_a_tile_is_never_ranked(image):
    tile = image.square.tiles_in_box(2688, (0, 0, 10, 10))[0]
    looked = image.look({2688: [tile]})
    padding = torch.as_tensor(looked.square.padding(2688))
    assert padding.any() and torch.equal(looked.excluded[2688], padding)


def test_regions_lie_inside_a_tile_and_do_not_depend_on_other_looks(image):
    tiles = image.square.tiles_in_box(2688, (300, 300, 1500, 900))[:3].tolist()
    for regions in ("kmeans", "grid", "none"):
        settings = Settings(regions=regions)
        three, one = (image.look({2688: some}).partition(settings)[2688] for some in (tiles, tiles[1:2]))
        parts = three.view(3, 576)
        assert not set(parts[0].tolist()) & set(parts[1].tolist())
        assert torch.equal(parts[1] - parts[1].min(), one - one.min())


@pytest.mark.parametrize("importance", ["attention", "fused"])
def test_every_importance_scores_what_was_looked_at(image, importance):
    asked = image.ask(QUESTION, Settings(importance=importance), looks=3)
    assert len(asked.importance[2688]) == 3 * 576
    assert str(asked.select(400).answer()) == str(asked.select(400).answer())


def test_tiles_are_encoded_once(image, monkeypatch):
    image.ask("Is there a car?", looks=4)
    monkeypatch.setattr(image, "reader", None)
    known = dict(image.ask("Is there a car?", looks=4).image.square.looks)
    assert image.look({2688: known[2688][:2]}).square.looks == ((2688, known[2688][:2]),)


def test_native_pixels_may_be_read_in_a_process_of_their_own(image, file):
    stages = []
    other = engine().encode(file, progress=None, reader=apart.READER)
    asked = other.ask(QUESTION, looks=3, progress=lambda stage, share, words: stages.append(stage))
    here = image.ask(QUESTION, looks=3)
    assert asked.image.square == here.image.square and {"survey", "window", "look"} <= set(stages)
    assert torch.equal(asked.importance[2688], here.importance[2688])
    assert other.nbytes > sum(tensor.nbytes for tensor in asked.image.embeddings.values()) + 38 * 3 * 576


def test_looks_survive_a_move_to_another_device(image):
    before = image.ask("Is there a bus?", looks=4)
    image.to("cpu")
    assert not image.looked and image.tiles
    after = image.ask("Is there a bus?", looks=4)
    assert torch.equal(after.rankings[2688].rank, before.rankings[2688].rank)


def test_looking_where_a_box_is(image):
    box = (1400, 1200, 1420, 1220)
    plain = image.ask(QUESTION)
    there = plain.looking_at([box])
    assert there.looks == len(image.square.tiles_in_box(2688, box))
    assert len(there.image.square.tokens_in_box(2688, box)) > len(image.square.tokens_in_box(1344, box))
    assert there.looking_at([box]).looks == there.looks


def test_an_image_without_anything_beyond_its_finest_scale_has_no_looks(tmp_path):
    path = tmp_path / "small.png"
    Image.fromarray(np.zeros((900, 1300, 3), np.uint8)).save(path)
    small = engine().encode(path, progress=None)
    assert small.ask(QUESTION, looks=9) is small.ask(QUESTION)


def test_what_cannot_be_looked_at_is_refused(image, file, tmp_path):
    with pytest.raises(InputError, match="give a whole number from 0"):
        image.ask(QUESTION, looks=-1)
    with pytest.raises(InputError, match="this image has 2688"):
        image.look({5376: [0]})
    with pytest.raises(InputError, match="0 to 63"):
        image.look({2688: [64]})
    in_memory = engine().encode_canvas(canvas_of(np.zeros((2800, 2800, 3), np.uint8)))
    with pytest.raises(InputError, match="read from a file"):
        in_memory.ask(QUESTION, looks=1)
    gone = tmp_path / "gone.png"
    gone.write_bytes(file.read_bytes())
    lost = engine().encode(gone, progress=None)
    gone.unlink()
    with pytest.raises(ImageError):
        lost.ask(QUESTION, looks=1)


@pytest.mark.parametrize(
    ("side", "sizes"),
    [(4032, ()), (5000, ()), (6000, (5712,)), (8064, (8064,)), (16384, (8064, 16128)), (30240, (8064, 16128, 30240))],
)
def test_native_scales_go_up_to_the_image_s_own_size(side, sizes):
    assert Square(side, side // 2).native_sizes == sizes


def test_the_question_s_weight_falls_where_the_file_is_far_beyond_the_finest_scale():
    """Four times beyond the finest whole scale a question that says as much comes first; at sixteen it does not."""

    def first(side):
        square = Square(side, side, (672,))
        cells = np.zeros((side // 16, side // 16), np.float32)
        cells[0, 0] = 1
        importance = torch.zeros(square.scales[-1].tokens)
        importance[-1] = 1
        size = square.native_sizes[-1]
        order = [tile for at, tile in looks.plan(square, cells, importance, question_weight=1.2) if at == size]
        return order[0]

    assert first(4 * 672) != 0 and first(16 * 672) == 0
