"""Real pictures are read with what is known of them, and split by place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.made_pictures import A_CLASS, BOX, SIDE
from uhrbat.data.real import PictureCache, held_back, read_pictures, training

DATA = Path(os.environ.get("UHRBAT_REAL_DATA", "../shared/data/real"))


def named(pictures, part):
    return {picture.path.stem for picture in pictures if picture.path.parent.name == part}


def test_a_sequence_a_clip_a_quarter_and_the_last_pictures_are_held_back(pictures):
    held = held_back(pictures)
    assert named(held, "cars") == {"kit-MunichStreet02-MOS1", "minsk-DJI_0762-1"}
    assert {"OAM-386694-220246-19"} == {p.path.stem for p in held if p.path.stem.startswith("OAM")}
    assert named(held, "trees") == {"santa_monica_2016_1"}
    assert named(held, "airplane") == {f"airplane{index:02}" for index in range(A_CLASS - 10, A_CLASS)}
    assert len(held) + len(training(pictures)) == len(pictures)


def test_boxes_are_floats_in_pixels(pictures):
    car = next(picture for picture in pictures if picture.boxes.get("car"))
    assert car.boxes["car"] == [tuple(map(float, BOX))]


def test_what_is_absent_follows_from_class_and_boxes(pictures):
    by_name = {picture.path.stem: picture for picture in pictures}
    assert "airplane" not in by_name["airplane00"].absent
    assert "airplane" in by_name["airplane01"].absent
    assert "airplane" not in by_name["airplane02"].absent
    assert "ship" in by_name["airplane00"].absent
    assert "ship" not in by_name["harbor00"].absent
    assert "building" in by_name["forest00"].absent


def test_without_our_own_boxes_scene_pictures_have_none(root):
    assert not any(picture.boxes for picture in read_pictures(root) if picture.scene)


def test_the_cache_forgets_the_oldest(pictures):
    cache = PictureCache(2)
    for picture in pictures[:3]:
        assert cache.read(picture.path).shape == (SIDE, SIDE, 3)
    assert cache.read(pictures[2].path) is cache.read(pictures[2].path)


@pytest.mark.skipif(not (DATA / "boxes.json").is_file(), reason=f"{DATA} is not there (UHRBAT_REAL_DATA)")
def test_the_real_folder_is_split_as_documented():
    pictures = read_pictures(DATA)
    held = held_back(pictures)
    assert sum(1 for p in held if p.boxes.get("building") is not None and "car" not in p.boxes) == 12
    assert sum(1 for p in held if p.scene) == 210
    assert {p.path.name.split("-MOS")[0] for p in held if p.path.name.startswith("kit")} == {"kit-MunichStreet02"}
    assert not any("brighton" in str(p.path) for p in pictures)
