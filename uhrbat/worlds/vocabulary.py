"""The closed vocabulary of the generated world: kinds, colors, land covers, phrases and seeds."""

from collections.abc import Mapping
from types import MappingProxyType

KINDS = (
    "ship",
    "airplane",
    "car",
    "storage tank",
    "building",
    "fish raft",
    "island",
    "wind turbine",
    "tennis court",
)
PRESENCE, COLOR, COUNT = "presence", "color", "count"
ABSOLUTE, RELATIVE, LAND_COVER = "absolute position", "relative position", "land cover"
QUESTION_TYPES = (PRESENCE, COLOR, COUNT, ABSOLUTE, RELATIVE, LAND_COVER)
COLORS = ("red", "white", "blue", "yellow", "black", "green")
LAND_COVERS = ("water", "farmland", "forest", "desert", "urban")

KIND_COLORS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ship": ("red", "white", "blue", "yellow", "black"),
        "airplane": ("white", "red", "blue", "yellow"),
        "car": ("red", "white", "blue", "yellow", "black"),
        "storage tank": ("white", "red", "green", "yellow", "blue"),
        "building": ("red", "white", "blue", "green"),
        "fish raft": ("black", "blue", "yellow", "white"),
        "island": (),
        "wind turbine": (),
        "tennis court": ("green", "blue", "red"),
    }
)
"""Colors each kind comes in; empty where the color says nothing about the object."""

KIND_SIZES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "ship": (6, 60),
        "airplane": (10, 60),
        "car": (4, 12),
        "storage tank": (6, 40),
        "building": (10, 60),
        "fish raft": (10, 50),
        "island": (20, 60),
        "wind turbine": (10, 44),
        "tennis court": (10, 40),
    }
)
"""Smallest and largest longer side of each kind's box, in pixels of a 4,032-px world."""

WATER_KINDS = ("ship", "fish raft", "island")
"""Kinds that stand on water; a wind turbine stands on either, every other kind on land."""


def phrase(kind: str, color: str | None = None, plural: bool = False) -> str:
    """Return the noun phrase of a kind and color, e.g. ``"red ship"`` or ``"storage tanks"``."""
    noun = f"{kind}s" if plural else kind
    return f"{color} {noun}" if color else noun


PHRASES: Mapping[tuple[str, str | None], str] = MappingProxyType(
    {(kind, color): phrase(kind, color) for kind in KINDS for color in (None, *KIND_COLORS[kind])}
)
"""Every (kind, color) specification a question can name, with its singular phrase."""

TRAIN_SEEDS = range(0, 1_000_000)
"""Seeds of worlds a model may be trained on."""
DEVELOPMENT_SEEDS = range(1_000_000, 2_000_000)
"""Seeds for choices made while training; never trained on."""
EVALUATION_SEEDS = range(2_000_000, 3_000_000)
"""Seeds of reported numbers; neither trained on nor used for any choice."""
EXAMPLE_SEEDS = range(3_000_000, 4_000_000)
"""Seeds of the pictures shown in the explorer and in documents."""
