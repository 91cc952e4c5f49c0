"""Texts name kinds and colours, and what each token is to them follows from what is known of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.tiny import BINS, tokenizer
from uhrbat.data.kinds import INDEX, SYNONYMS, TOWER_KINDS
from uhrbat.network.text import TextCodec
from uhrbat.training.nano.phrases import ANY, Phrases, PhraseSampler
from uhrbat.training.nano.pool import NO_COLOR
from uhrbat.training.nano.worlds import WorldWindows
from uhrbat.worlds import COLORS, KINDS

CAR, RED = INDEX["car"], COLORS.index("red")


@pytest.fixture
def sampler(pool):
    worlds = WorldWindows(pool, np.random.default_rng(0)).worlds.values()
    return PhraseSampler(TextCodec(tokenizer(), BINS), 40, np.random.default_rng(0), worlds)


def test_every_kind_is_named_every_step(sampler):
    drawn = sampler.draw()
    assert all(drawn.of_kind(kind) for kind in range(len(TOWER_KINDS)))
    assert len(drawn.ids) == len(drawn.mask) == len(drawn.targets)


def test_another_word_stands_for_a_kind(sampler):
    texts = {sampler.worded("car") for _ in range(200)}
    assert any("vehicle" in text for text in texts)
    assert all(any(word in text for word in ("car", *SYNONYMS["car"])) for text in texts)
    assert "red" in sampler.worded("car", "red")


def test_a_question_keeps_its_targets_in_other_words(sampler):
    texts = {sampler.reworded("How many red cars are there?", [(CAR, RED)]) for _ in range(200)}
    assert {"How many red cars are there?", "How many red vehicles are there?"} <= texts
    assert len(texts) == 1 + len(SYNONYMS["car"])


def test_truth_knows_what_it_does_not_know():
    state = torch.tensor([[1, 1, 1, 0, -1]], dtype=torch.int8)
    state = torch.full((1, len(TOWER_KINDS), 5), -1, dtype=torch.int8).index_copy(
        1, torch.tensor([CAR]), state[:, None]
    )
    color = torch.tensor([[RED, RED + 1, NO_COLOR, NO_COLOR, NO_COLOR]])
    empty = torch.zeros(2, 1, dtype=torch.long)
    shown, known = Phrases(empty, empty, [[(CAR, ANY)], [(CAR, RED)]]).truth(state, color)
    assert shown[0].T.tolist() == [[True, True, True, False, False], [True, False, False, False, False]]
    assert known[0].T.tolist() == [[True, True, True, True, False], [True, True, False, True, False]]


def test_of_two_kinds_either_is_enough_and_both_must_be_known():
    ship = KINDS.index("ship")
    state = torch.full((1, len(TOWER_KINDS), 3), -1, dtype=torch.int8)
    state[0, CAR], state[0, ship] = torch.tensor([1, 0, 0]), torch.tensor([-1, -1, 0])
    empty = torch.zeros(1, 1, dtype=torch.long)
    shown, known = Phrases(empty, empty, [[(CAR, ANY), (ship, ANY)]]).truth(state, torch.zeros(1, 3, dtype=torch.long))
    assert shown[0, :, 0].tolist() == [True, False, False]
    assert known[0, :, 0].tolist() == [True, False, True]
