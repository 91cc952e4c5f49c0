"""Telling objects from their lookalikes: what is taught of a token, and that it parts what a line cannot."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.support.tiny import BINS, config, tokenizer
from uhrbat.data.kinds import INDEX
from uhrbat.geometry import PATCH, SCALES
from uhrbat.network.model import Network
from uhrbat.network.text import TextCodec
from uhrbat.training.nano import refine
from uhrbat.training.nano.phrases import ANY, Phrases, PhraseSampler
from uhrbat.training.nano.pool import NO_COLOR, label_tokens
from uhrbat.training.nano.pretrain import encode_texts
from uhrbat.training.nano.refine import NOT, SHOWN, UNKNOWN, Kept, Miner, loss_of, states, with_refinement
from uhrbat.training.nano.tokens import WorldTokens, paths_of
from uhrbat.worlds import KINDS

CAR, SHIP = INDEX["car"], INDEX["ship"]
PLACES = [(800, 800), (800, 2800), (2400, 1500), (3300, 3300)]


def world(known=("car",), side=80, seed=900_000) -> WorldTokens:
    """Four cars, and eight times as many tokens that a line cannot tell from them: of cars the first two features have
    one sign, of lookalikes two; all else is near zero."""
    rng = np.random.default_rng(seed)
    objects = [{"kind": CAR, "color": NO_COLOR, "box": [x, y, x + side, y + side]} for x, y in PLACES]
    land = np.zeros((1, 1), np.uint8)
    labels = {size: label_tokens(objects, land, size) for size in SCALES}
    features = {}
    for size in SCALES:
        grid = size // PATCH
        values = 0.1 * rng.normal(size=(grid, grid, 24))
        values[..., 2:] += np.linspace(-1, 1, 22)
        sign = rng.choice((-2.0, 2.0), (grid, grid))
        owned, alike = labels[size].owner >= 0, rng.random((grid, grid)) < 0.02
        values[owned, 0] = values[owned, 1] = sign[owned]
        values[alike & ~owned, 0], values[alike & ~owned, 1] = sign[alike & ~owned], -sign[alike & ~owned]
        features[size] = values.astype(np.float16)
    return WorldTokens(seed, objects, "water", known, features, labels)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Network(config(scales=SCALES)).eval()


@pytest.fixture(scope="module")
def codec():
    return TextCodec(tokenizer(), BINS)


def phrases(*targets) -> Phrases:
    empty = torch.zeros(len(targets), 1, dtype=torch.long)
    return Phrases(empty, empty, [list(named) for named in targets])


def test_tokens_of_a_world_come_back_from_disk(tmp_path):
    made = world()
    made.save(tmp_path)
    (path,) = paths_of(tmp_path)
    found = WorldTokens.load(path)
    assert (found.seed, found.objects, found.known) == (made.seed, made.objects, made.known)
    assert np.array_equal(found.features[672], made.features[672])
    assert np.array_equal(found.labels[4032].owner, made.labels[4032].owner)


def test_of_a_real_picture_the_known_kinds_alone_are_taught_and_not_beside_an_object():
    state = states(world(), 4032)
    grid = 4032 // PATCH
    of_car = state[CAR].reshape(grid, grid)
    x, y = (value // PATCH for value in PLACES[0])
    assert of_car[y + 2, x + 2] == SHOWN and of_car[y - 1, x + 2] == UNKNOWN and of_car[y - 20, x] == NOT
    assert (state[SHIP] == UNKNOWN).all()
    assert (states(world(known=None), 4032)[SHIP] != UNKNOWN).mean() > 0.9


def test_a_real_object_too_small_to_be_seen_is_not_taught():
    small = world(side=10)
    assert (states(small, 4032)[CAR] == SHOWN).any()
    assert not (states(small, 1344)[CAR] == SHOWN).any()


def test_lookalikes_that_match_and_objects_that_do_not_cost(model):
    state = np.full((len(INDEX), 4), UNKNOWN, np.int8)
    state[CAR] = (SHOWN, NOT, NOT, UNKNOWN)
    kept = Kept(
        np.zeros((4, 24), np.float16), state, np.full(4, NO_COLOR), np.ones(4, bool), np.array([0, -1, -1, -1]), True
    )
    asked = phrases([(CAR, ANY)])
    right = torch.tensor([[4.0], [-4.0], [-4.0], [0.0]])
    for place in range(3):
        wrong = right.clone()
        wrong[place] *= -1
        assert loss_of(wrong, wrong, kept, asked) > loss_of(right, right, kept, asked) + 1
    moved = right.clone()
    moved[3] = 5
    assert loss_of(moved, moved, kept, asked) == loss_of(right, right, kept, asked)
    assert loss_of(moved, right, kept, asked) > loss_of(right, right, kept, asked)


def test_a_fresh_layer_changes_nothing(model):
    features = torch.randn(5, 24)
    refined = with_refinement(model, 16)
    assert torch.equal(refined.similarity_vectors(features), model.similarity_vectors(features))
    assert refined.config == replace(model.config, similarity_hidden=16)


def test_the_most_alike_of_what_is_not_there_is_searched_for(model, codec):
    found = Miner(model, codec, np.random.default_rng(0)).keep(world())
    lookalike = np.abs(found.features[:, 0].astype(float) + found.features[:, 1]) < 0.6
    strong = np.abs(found.features[:, 0]) > 1.5
    assert (found.state[CAR] == SHOWN).sum() > 40 and found.is_real
    assert (lookalike & strong).sum() > 100


def test_training_parts_cars_from_what_no_line_can_part(model, codec, tmp_path):
    for seed in (900_000, 900_001):
        world(seed=seed).save(tmp_path)
    rng = np.random.default_rng(0)
    refined = with_refinement(model, 32)
    sampler = PhraseSampler(codec, 40, rng, [])
    sampler.asked = {f"How many {kind}s are there?": [(INDEX[kind], ANY)] for kind in KINDS[:2]}
    sampler.texts = sorted(sampler.asked)
    refine.train(refined, paths_of(tmp_path), sampler, codec, steps=80, rounds=1, rate=1e-2)

    def apart(network: Network) -> float:
        """Of held-out tokens, how often a car's logit is above a lookalike's."""
        other = world(seed=5)
        state = states(other, 4032)[CAR]
        features = torch.from_numpy(other.features[4032].reshape(len(state), -1)).float()
        strong = features[:, 0].abs() > 1.5
        text = network.similarity.text_vectors(*encode_texts(codec, ["car"], 40))
        with torch.no_grad():
            logits = network.similarity.logits(network.similarity_vectors(features), text)[:, 0]
        cars, alike = logits[torch.from_numpy(state == SHOWN)], logits[torch.from_numpy(state == NOT) & strong]
        return float((cars[:, None] > alike[None]).float().mean())

    assert apart(refined) > 0.9 > 0.75 > apart(model)
