"""What the tower is taught to find: the generated world's kinds, and those that only real pictures show.

What a scene class of the UC Merced pictures shows, what it surely does not, and in which other words a question may
name a kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from uhrbat.worlds import KINDS, LAND_COVERS

REAL_KINDS = ("tree", "road", "swimming pool")
TOWER_KINDS = (*KINDS, *REAL_KINDS)
"""Every kind that the tower knows; the generated world's first, so that an index into KINDS is one into these."""
INDEX: Mapping[str, int] = {kind: index for index, kind in enumerate(TOWER_KINDS)}

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "ship": ("boat", "vessel"),
    "airplane": ("plane", "aircraft", "jet"),
    "car": ("vehicle", "automobile"),
    "storage tank": ("tank", "oil tank"),
    "building": ("house", "roof"),
    "fish raft": ("raft", "fish farm"),
    "island": ("islet",),
    "wind turbine": ("turbine", "windmill"),
    "tennis court": ("court", "sports court"),
    "tree": ("bush", "palm"),
    "road": ("street", "highway"),
    "swimming pool": ("pool",),
}


def plural(noun: str) -> str:
    """`noun` in the plural: "ships", "bushes", "aircraft"."""
    if noun == "aircraft":
        return noun
    return f"{noun}es" if noun.endswith("sh") else f"{noun}s"


@dataclass(frozen=True)
class SceneClass:
    """What pictures of one class hold. shown: {kind: share of a picture's tokens that surely show it}; may: kinds that
    it may or may not hold, of those that most classes do not; land: its land cover, where it is one."""

    shown: Mapping[str, float]
    may: tuple[str, ...] = ()
    land: str | None = None


RARE = ("ship", "airplane", "storage tank", "tennis court", "swimming pool", "fish raft", "island", "wind turbine")
"""Kinds that a scene class does not hold unless it is said to."""
COMMON = ("car", "building", "tree", "road")
"""Kinds that a scene class may hold unless it is said not to (EMPTY)."""
EMPTY: Mapping[str, tuple[str, ...]] = {
    "agricultural": ("car", "building"),
    "forest": ("car", "building", "road"),
    "chaparral": ("car", "building", "road"),
    "harbor": ("tree",),
    "runway": ("tree",),
}
_HOMES = ("tennis court", "swimming pool")
SCENE_CLASSES: Mapping[str, SceneClass] = {
    "agricultural": SceneClass({}, land="farmland"),
    "airplane": SceneClass({"airplane": 0.02}),
    "baseballdiamond": SceneClass({}, ("tennis court",)),
    "beach": SceneClass({}, ("ship", "island")),
    "buildings": SceneClass({"building": 0.1}, ("swimming pool",), "urban"),
    "chaparral": SceneClass({}),
    "denseresidential": SceneClass({"building": 0.1}, _HOMES, "urban"),
    "forest": SceneClass({"tree": 0.3}, land="forest"),
    "freeway": SceneClass({"road": 0.15, "car": 0.004}),
    "golfcourse": SceneClass({"tree": 0.02}, (*_HOMES, "island")),
    "harbor": SceneClass({"ship": 0.04}),
    "intersection": SceneClass({"road": 0.1, "car": 0.004}, ("swimming pool",), "urban"),
    "mediumresidential": SceneClass({"building": 0.06, "tree": 0.02}, _HOMES, "urban"),
    "mobilehomepark": SceneClass({"building": 0.1}, _HOMES, "urban"),
    "overpass": SceneClass({"road": 0.1}),
    "parkinglot": SceneClass({"car": 0.12}, land="urban"),
    "river": SceneClass({"tree": 0.05}, ("ship", "island")),
    "runway": SceneClass({}, ("airplane",)),
    "sparseresidential": SceneClass({"building": 0.02, "tree": 0.03}, _HOMES),
    "storagetanks": SceneClass({"storage tank": 0.03}),
    "tenniscourt": SceneClass({"tennis court": 0.03}, _HOMES),
}


def absent(scene: str) -> tuple[str, ...]:
    """Kinds that no picture of a scene class holds."""
    facts = SCENE_CLASSES[scene]
    none = [kind for kind in RARE if kind not in facts.shown and kind not in facts.may]
    return (*none, *EMPTY.get(scene, ()))


def land_of(scene: str) -> int:
    """Index into LAND_COVERS of a scene class; -1 where it is none or several."""
    land = SCENE_CLASSES[scene].land
    return -1 if land is None else LAND_COVERS.index(land)
