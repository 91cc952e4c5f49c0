import hashlib
import subprocess
import sys
from dataclasses import FrozenInstanceError
from itertools import combinations, pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from uhrbat.worlds import (
    COLORS,
    DEVELOPMENT_SEEDS,
    EVALUATION_SEEDS,
    EXAMPLE_SEEDS,
    KIND_COLORS,
    KIND_SIZES,
    KINDS,
    LAND_COVERS,
    PHRASES,
    TRAIN_SEEDS,
    generate,
    phrase,
)
from uhrbat.worlds.generator import map_streets, place_objects, plan_objects
from uhrbat.worlds.layout import lay_roads
from uhrbat.worlds.scenery import Clear
from uhrbat.worlds.sprites import RGB, draw
from uhrbat.worlds.terrain import lay_out


def _fingerprint(world) -> str:
    digest = hashlib.sha256(world.image)
    digest.update(world.land_map)
    digest.update(repr((world.objects, world.land_cover, world.seed, world.size)).encode())
    return digest.hexdigest()


def _gap(first, second) -> int:
    """Pixels between two boxes along the axis that separates them more; negative if they overlap."""
    return max(first[0] - second[2], second[0] - first[2], first[1] - second[3], second[1] - first[3])


@pytest.mark.slow
def test_same_seed_gives_the_same_world_in_another_process(sparse_worlds):
    world = sparse_worlds[0]
    code = (
        f"import hashlib; from uhrbat.worlds import generate; world = generate({world.seed}, {world.size})\n"
        "print(hashlib.sha256(world.image).hexdigest(), world.objects)"
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code]
    there = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == f"{hashlib.sha256(world.image).hexdigest()} {world.objects}"


def test_worlds_do_not_depend_on_what_was_generated_before(sparse_worlds):
    world = sparse_worlds[1]
    np.random.seed(0)
    assert _fingerprint(generate(world.seed, world.size)) == _fingerprint(world)


def test_different_seeds_give_different_worlds(sparse_worlds):
    assert len({_fingerprint(world) for world in sparse_worlds}) == len(sparse_worlds)


def test_a_world_has_the_stated_shapes_and_words(worlds):
    for world in worlds:
        assert world.image.shape == (world.size, world.size, 3)
        assert world.image.dtype == np.uint8
        assert world.land_map.shape == (288, 288)
        assert world.land_map.dtype == np.uint8
        assert world.land_cover in LAND_COVERS
        for item in world.objects:
            assert item.kind in KINDS
            assert item.color in (KIND_COLORS[item.kind] or (None,))


def test_a_world_cannot_be_changed(sparse_worlds):
    world = sparse_worlds[0]
    with pytest.raises(ValueError):
        world.image[0, 0] = 0
    with pytest.raises(FrozenInstanceError):
        world.seed = 1


def test_main_land_cover_has_the_largest_share(worlds):
    for world in worlds:
        shares = np.bincount(world.land_map.ravel(), minlength=5) / world.land_map.size
        assert LAND_COVERS[shares.argmax()] == world.land_cover
        assert 0.54 <= shares.max() <= 0.81
        assert (shares > 0).sum() == 2


def test_number_of_objects(sparse_worlds, dense_world):
    assert all(8 <= len(world.objects) <= 30 for world in sparse_worlds)
    assert all(len({item.kind for item in world.objects}) >= 4 for world in sparse_worlds)
    assert 60 <= len(dense_world.objects) <= 120


def test_sizes_are_in_range(dense_world):
    for item in dense_world.objects:
        low, high = KIND_SIZES[item.kind]
        assert low <= item.size <= high, item


def test_objects_keep_apart_and_off_the_border(worlds, dense_world):
    for world in worlds:
        scale = world.size / 4032
        least = 10 if world is dense_world else 20
        for item in world.objects:
            assert min(item.box) >= 30 * scale
            assert max(item.box) <= world.size - 30 * scale
        for first, second in combinations(world.objects, 2):
            assert _gap(first.box, second.box) >= int(least * scale) - 1


def test_water_kinds_float_and_land_kinds_do_not(worlds):
    water = LAND_COVERS.index("water")
    for world in worlds:
        for item in world.objects:
            x, y = (int(value * 288 / world.size) for value in item.center)
            wet = world.land_map[y, x] == water
            if item.kind in ("ship", "fish raft", "island"):
                assert wet, item
            elif item.kind != "wind turbine":
                assert not wet, item


def test_boxes_are_tight_around_pixels_that_the_object_changed(monkeypatch):
    seed = 4_000_007
    world = generate(seed, 1008, dense=True)
    monkeypatch.setattr("uhrbat.worlds.generator.paste", _measure_only)
    monkeypatch.setattr("uhrbat.worlds.generator.prepare_ground", lambda *arguments: None)
    bare = generate(seed, 1008, dense=True)
    assert bare.objects == world.objects
    changed = np.abs(world.image.astype(int) - bare.image).max(axis=2) > 10
    for item in world.objects:
        x0, y0, x1, y1 = item.box
        inside = changed[y0:y1, x0:x1]
        assert inside.any(axis=1).mean() > 0.6, item
        assert inside.any(axis=0).mean() > 0.6, item


def _measure_only(image, sprite, x, y):
    x0, y0, x1, y1 = sprite.box
    left, top = round(x - (x0 + x1) / 2), round(y - (y0 + y1) / 2)
    return left + x0, top + y0, left + x1, top + y1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", [0, 1])
def test_a_sprite_is_as_long_as_asked_and_of_its_color(kind, end):
    length = KIND_SIZES[kind][end]
    for color in KIND_COLORS[kind] or (None,):
        rng = np.random.default_rng(3)
        sprite = draw(kind, color, length, 0.7, (0.7, 0.7), rng, KIND_SIZES[kind])
        x0, y0, x1, y1 = sprite.box
        assert KIND_SIZES[kind][0] <= max(x1 - x0, y1 - y0) <= KIND_SIZES[kind][1]
        assert abs(max(x1 - x0, y1 - y0) - length) <= 1
        if color:
            solid = sprite.opacity > 0.9 if (sprite.opacity > 0.9).any() else sprite.opacity > 0.5
            shown = sprite.rgb[solid] / sprite.opacity[solid][:, None]
            names = list(RGB)
            nearest = np.abs(shown[:, None] - np.array([RGB[name] for name in names])).sum(axis=2).argmin(axis=1)
            assert names[np.bincount(nearest).argmax()] == color


def test_the_same_world_at_another_size():
    small, large = generate(4_000_001, 1008), generate(4_000_001, 1512)
    assert [item.kind for item in small.objects] == [item.kind for item in large.objects]
    assert [item.color for item in small.objects] == [item.color for item in large.objects]
    for first, second in zip(small.objects, large.objects, strict=True):
        assert np.allclose(np.array(first.center) / 1008, np.array(second.center) / 1512, atol=2e-3)
    assert (small.land_map == large.land_map).all()
    shrunk = [cv2.resize(world.image, (63, 63), interpolation=cv2.INTER_AREA) for world in (small, large)]
    assert np.abs(shrunk[0].astype(int) - shrunk[1]).mean() < 6


def test_every_kind_and_cover_occurs_in_plans():
    kinds, covers = set(), set()
    for seed in range(4_000_100, 4_000_108):
        streams = np.random.default_rng([seed, 0]).spawn(4)
        land = lay_out(streams[0])
        covers |= {land.main, land.secondary}
        plan = plan_objects(land, streams[1], dense=False)
        assert 10 <= len(plan) <= 30
        layout = lay_roads(land, streams[2], airfield=True)
        sites = place_objects(plan, land, layout, Clear(), map_streets(layout), streams[3], dense=False)
        kinds |= {site.kind for site in sites}
        assert len(sites) >= 8
    assert kinds == set(KINDS)
    assert covers == set(LAND_COVERS)


def test_phrases_name_every_kind_and_color():
    assert phrase("storage tank", "red", plural=True) == "red storage tanks"
    assert PHRASES["ship", None] == "ship"
    assert PHRASES["fish raft", "black"] == "black fish raft"
    assert len(PHRASES) == len(KINDS) + sum(len(colors) for colors in KIND_COLORS.values())
    assert {color for colors in KIND_COLORS.values() for color in colors} == set(COLORS)


def test_seed_ranges_do_not_meet():
    ranges = (TRAIN_SEEDS, DEVELOPMENT_SEEDS, EVALUATION_SEEDS, EXAMPLE_SEEDS)
    assert all(first.stop <= second.start for first, second in pairwise(ranges))


@pytest.mark.parametrize(("seed", "size"), [(0, 100), (0, 20_000), (-1, 1008)])
def test_impossible_arguments_are_refused(seed, size):
    with pytest.raises(ValueError, match="must"):
        generate(seed, size)


def test_a_world_without_an_object_differs_only_around_that_object(sparse_worlds):
    whole = sparse_worlds[0]
    for index in (0, len(whole.objects) - 1):
        gone = whole.objects[index]
        world = generate(whole.seed, whole.size, without=[index])
        assert world.objects == whole.objects[:index] + whole.objects[index + 1 :]
        changed = (world.image != whole.image).any(-1)
        x0, y0, x1, y1 = gone.box
        assert changed[y0:y1, x0:x1].any()
        reach = 2 * max(x1 - x0, y1 - y0) + 4
        changed[max(0, y0 - reach) : y1 + reach, max(0, x0 - reach) : x1 + reach] = False
        assert not changed.any()


def test_an_object_that_is_not_there_cannot_be_left_out(sparse_worlds):
    whole = sparse_worlds[0]
    with pytest.raises(ValueError, match="cannot do without"):
        generate(whole.seed, whole.size, without=[len(whole.objects)])
