import numpy as np
from safetensors.numpy import save_file

from uhrbat.data.kinds import INDEX, TOWER_KINDS
from uhrbat.geometry import TILE, TILE_GRID
from uhrbat.training.nano.lookalikes import LookalikeWindows, corner, most_alike
from uhrbat.training.nano.windows import NOT, SHOWN
from uhrbat.training.nano.worlds import PART


def test_most_alike_takes_wrong_tokens_best_first_and_none_beside_a_better_one():
    scores = np.zeros((24, 24), np.float32)
    scores[3, 3], scores[3, 4], scores[10, 20], scores[20, 20] = 3, 2.9, 2, 9
    wrong = np.ones((24, 24), bool)
    wrong[18:, 18:] = False  # the object itself
    assert most_alike(scores, wrong, 2).tolist() == [[3, 3], [10, 20]]


def test_a_part_holds_its_token_and_stays_inside_one_tile():
    rng = np.random.default_rng(0)
    for at in range(3 * TILE_GRID):
        for _ in range(20):
            first = corner(at, rng)
            assert first <= at < first + PART and first // TILE_GRID == (first + PART - 1) // TILE_GRID


def test_windows_are_laid_of_lookalikes_and_objects_with_what_is_known(tmp_path):
    count, side = 6, PART * TILE // TILE_GRID
    mistaken = np.arange(count) < 3
    state = np.full((count, len(TOWER_KINDS), PART, PART), NOT, np.int8)
    state[~mistaken, INDEX["car"]] = SHOWN
    pixels = np.where(mistaken, 40, 200).astype(np.uint8)[:, None, None, None] * np.ones((side, side, 3), np.uint8)
    center = np.zeros((count, PART, PART), bool)
    save_file(
        {"pixels": pixels, "state": state, "center": center, "mistaken": mistaken}, tmp_path / "900000.safetensors"
    )
    windows = LookalikeWindows(tmp_path, np.random.default_rng(0))
    alone, objects = windows.draw(1.0), windows.draw(0.0)
    assert alone.pixels.shape == (TILE, TILE, 3) and alone.state.shape == (len(TOWER_KINDS), TILE_GRID, TILE_GRID)
    assert (alone.state[INDEX["car"]] == NOT).all() and (objects.state[INDEX["car"]] == SHOWN).all()
    assert objects.pixels.mean() > alone.pixels.mean()
