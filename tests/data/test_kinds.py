"""What is said of kinds and scene classes holds together."""

from __future__ import annotations

import pytest

from uhrbat.data.kinds import (
    COMMON,
    INDEX,
    RARE,
    SCENE_CLASSES,
    SYNONYMS,
    TOWER_KINDS,
    absent,
    land_of,
    plural,
)
from uhrbat.worlds import KINDS, LAND_COVERS


def test_the_generated_kinds_keep_their_index():
    assert TOWER_KINDS[: len(KINDS)] == KINDS
    assert [INDEX[kind] for kind in TOWER_KINDS] == list(range(len(TOWER_KINDS)))


def test_every_kind_is_rare_or_common_and_has_other_words():
    assert set(RARE) | set(COMMON) == set(TOWER_KINDS)
    assert not set(RARE) & set(COMMON)
    assert set(SYNONYMS) == set(TOWER_KINDS)


@pytest.mark.parametrize("scene", SCENE_CLASSES)
def test_a_class_never_lacks_what_it_shows(scene):
    reply = SCENE_CLASSES[scene]
    assert not set(absent(scene)) & {*reply.shown, *reply.may}
    assert set(absent(scene)) <= set(TOWER_KINDS)
    assert -1 <= land_of(scene) < len(LAND_COVERS)


@pytest.mark.parametrize(("one", "many"), [("ship", "ships"), ("bush", "bushes"), ("aircraft", "aircraft")])
def test_plurals(one, many):
    assert plural(one) == many
