"""Which pictures count as seen: near to the training's in their features, and not darker than any of them."""

import torch

from uhrbat.checkpoints import loading
from uhrbat.network.familiarity import Familiarity, brightness, summary

WIDTH = 6


def tiles(count: int, light: float = 0.5, shift: float = 0.0, seed: int = 0) -> torch.Tensor:
    """Summaries of `count` tiles."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, 20, WIDTH, generator=generator) + shift
    return summary(features, torch.full((count, 20), light), torch.ones(count, 20, dtype=torch.bool))


def fitted() -> Familiarity:
    known = Familiarity(WIDTH, 8)
    known.fit(tiles(300))
    known.limit.fill_(1.6)
    known.darkest.fill_(0.1)
    return known


def test_a_picture_like_those_of_the_training_was_seen():
    assert fitted().seen(tiles(12, seed=1))


def test_a_picture_far_from_them_was_not():
    known = fitted()
    assert known.distance(tiles(12, shift=4.0)) > 2 * known.distance(tiles(12, seed=1))
    assert not known.seen(tiles(12, shift=4.0))


def test_a_picture_darker_than_any_was_not():
    assert not fitted().seen(tiles(12, light=0.03, seed=1))


def test_only_what_shows_the_picture_counts():
    features = torch.zeros(2, 20, WIDTH)
    features[:, 10:] = 99.0
    light = torch.full((2, 20), 0.4)
    light[:, 10:] = 0.0
    valid = torch.zeros(2, 20, dtype=torch.bool)
    valid[0, :10] = True  # the other tile shows nothing of it
    found = summary(features, light, valid)
    assert found.shape == (1, 2 * WIDTH + 1)
    assert found[0, :WIDTH].abs().max() == 0 and torch.isclose(found[0, -1], torch.tensor(0.4))


def test_a_picture_without_a_tile_is_given_the_benefit_of_the_doubt():
    none = torch.zeros(0, 2 * WIDTH + 1)
    assert brightness(none) == 1.0 and fitted().seen(none)


def test_the_limits_that_ship_are_numbers():
    known = loading.load("nano", torch.device("cpu"), torch.float32).network.familiarity
    assert known is not None and 0 < float(known.darkest) < 0.3 and 1 < float(known.limit) < 10
    assert all(value.isfinite().all() for value in known.buffers())
