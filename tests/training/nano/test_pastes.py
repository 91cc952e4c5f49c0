"""Objects pasted from one world into the other are labelled where they lie."""

from __future__ import annotations

import numpy as np
import pytest

from uhrbat.data.kinds import INDEX
from uhrbat.data.real import PictureCache, training
from uhrbat.geometry import TILE
from uhrbat.training.nano.pastes import Paster, blend
from uhrbat.training.nano.windows import NO_COLOR, NOT, SHOWN, UNKNOWN, Window, blank_labels
from uhrbat.worlds import KINDS


@pytest.fixture
def paster(pictures):
    boxed = [p for p in training(pictures) if p.boxes.get("car") or p.boxes.get("building")]
    return Paster(boxed, np.random.default_rng(0), PictureCache())


def empty(value: int = 100) -> Window:
    state, color, center, land = blank_labels()
    state[: len(KINDS)] = NOT
    return Window(np.full((TILE, TILE, 3), value, np.uint8), state, color, center, land)


def test_generated_objects_are_drawn_and_labelled_with_their_colour(paster):
    before = empty()
    seen = set()
    for _ in range(12):
        after = paster.generated(before)
        rows, columns = np.nonzero((after.state[: len(KINDS)] == SHOWN).any(0))
        assert len(rows)
        changed = (after.pixels != before.pixels).any(-1).reshape(24, 14, 24, 14).any((1, 3))
        assert changed[rows, columns].mean() > 0.5
        seen |= set(after.color[rows, columns])
    assert NO_COLOR in seen and len(seen) > 3
    assert (before.pixels == 100).all() and not (before.state == SHOWN).any()


def test_real_objects_have_no_known_colour(paster):
    shown = 0
    for _ in range(12):
        after = paster.real(empty())
        here = (after.state == SHOWN).any(0)
        shown += int(here.sum())
        assert (after.color[here] == NO_COLOR).all()
        assert set(np.unique(np.nonzero(after.state == SHOWN)[0])) <= {INDEX["car"], INDEX["building"]}
    assert shown > 5


def test_what_lay_under_a_paste_is_unknown():
    state, color, center, _ = blank_labels()
    state[: len(KINDS)] = NOT
    state[INDEX["ship"], 2:6, 2:6] = SHOWN
    Paster.write(state, color, center, (28, 28, 84, 84), INDEX["car"], 1)
    assert (state[INDEX["ship"], 2:6, 2:6] == UNKNOWN).all()
    assert state[INDEX["car"], 3, 3] == SHOWN and color[3, 3] == 1
    Paster.write(state, color, center, (28, 28, 84, 84), INDEX["car"], NO_COLOR, shown=False)
    assert state[INDEX["car"], 3, 3] == NOT


def test_a_blend_keeps_the_middle_and_the_outside():
    under, patch = np.zeros((30, 40, 3), np.uint8), np.full((30, 40, 3), 200, np.uint8)
    blend(under, patch, 6.0, np.random.default_rng(1))
    assert under[15, 20, 0] > 60
    assert under[0].max() < 40


def test_clutter_is_none_of_the_kinds(paster):
    state, color, center, land = blank_labels()
    before = Window(np.full((TILE, TILE, 3), 100, np.uint8), state, color, center, land)
    after = paster.clutter(before)
    taught = after.state[INDEX["car"]] == NOT
    changed = (after.pixels != before.pixels).any(-1).reshape(24, 14, 24, 14).any((1, 3))
    assert taught.any() and changed[taught].all()
    assert (after.state[INDEX["tree"]] == UNKNOWN).all() and not (after.state == SHOWN).any()
