"""Makes a whole world from a seed: lays out the land, places the objects, draws everything."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from uhrbat.worlds.layout import Layout, Pad, lay_roads
from uhrbat.worlds.noise import BLOCK, TILE, textures
from uhrbat.worlds.scenery import Clear, Painter, draw_clutter, draw_layout
from uhrbat.worlds.sprites import draw, paste
from uhrbat.worlds.terrain import UNITS, Land, lay_out, paint
from uhrbat.worlds.types import World, WorldObject
from uhrbat.worlds.vocabulary import KIND_COLORS, KIND_SIZES, KINDS, WATER_KINDS

SMALLEST, LARGEST = 504, 8192
_MARGIN = 36


@dataclass(frozen=True)
class Site:
    """Where an object will stand: center and length in units, heading in radians."""

    kind: str
    color: str | None
    x: float
    y: float
    length: float
    heading: float
    moving: bool = False


def generate(seed: int, size: int = UNITS, dense: bool = False, without: Sequence[int] = ()) -> World:
    """Generate the world of a seed; the same arguments always give the same world.

    `size` is the picture's side in pixels, 504 to 8192; objects and landforms scale with it.
    `dense` places 60 to 120 objects, for training, in place of 8 to 30.
    `without` leaves objects out, by their indices in the whole world: they are not drawn, nor are their
    shadows, wakes and surf; every other pixel stays as it was. ValueError for an index that is not there.
    """
    if not SMALLEST <= size <= LARGEST:
        raise ValueError(f"size must be between {SMALLEST} and {LARGEST} pixels, not {size}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, but is {seed}")
    streams = np.random.default_rng([seed, int(dense)]).spawn(7)
    land = lay_out(streams[0])
    plan = plan_objects(land, streams[1], dense)
    wants_airfield = any(kind == "airplane" for kind, _ in plan)
    layout = lay_roads(land, streams[2], streams[3].random() < (0.75 if wants_airfield else 0.1))
    clear = Clear()
    streets = map_streets(layout)
    sites = place_objects(plan, land, layout, clear, streets, streams[3], dense)
    image = paint(land, streams[4], size, layout.parcels)
    painter = Painter(image, land.shadow)
    draw_layout(painter, land, layout, clear, streams[5])
    clear.cells |= streets.cells
    draw_clutter(painter, land, clear, streams[5])
    objects = _draw_objects(image, land, sites, streams[6], without)
    for top in range(0, size, BLOCK):
        add_sensor_noise(image[top : top + BLOCK], streams[4])
    token_map = land.token_map()
    token_map.setflags(write=False)
    image.setflags(write=False)
    return World(image, tuple(objects), land.main, token_map, seed, size)


def plan_objects(land: Land, rng: np.random.Generator, dense: bool) -> list[tuple[str, str | None]]:
    """Choose kinds, how many of each, and their colors."""
    possible = [kind for kind in KINDS if land.has_water or kind not in WATER_KINDS]
    plan: list[tuple[str, str | None]] = []

    def add(kind: str, count: int, variety: int) -> None:
        colors = KIND_COLORS[kind]
        palette = rng.choice(colors, min(variety, len(colors)), replace=False) if colors else [None]
        plan.extend((kind, palette[rng.integers(len(palette))] if colors else None) for _ in range(count))

    if dense:
        total = int(rng.integers(70, 121))
        for kind in possible:
            add(kind, max(4, round(total / len(possible) * rng.uniform(0.7, 1.3))), 5)
        plan = [plan[index] for index in rng.permutation(len(plan))[:118]]
    else:
        kinds = [possible[index] for index in rng.permutation(len(possible))]
        wanted = int(rng.integers(4, 8))
        for index, kind in enumerate(kinds):
            if index >= wanted and len(plan) >= 9:
                break
            add(kind, 1 if rng.random() < 0.55 else int(rng.integers(2, 7)), int(rng.integers(1, 4)))
        while len(plan) < 10:
            add(plan[rng.integers(len(plan))][0], 1, 1)
        plan = plan[:30]
    return [(kind, None if color is None else str(color)) for kind, color in plan]


def map_streets(layout: Layout) -> Clear:
    """Map where roads, piers and airfields are, which no object but a car or an airplane stands on."""
    streets = Clear()
    for road in layout.roads:
        half = road.width / 2
        x0, x1 = sorted((road.start[0], road.end[0]))
        y0, y1 = sorted((road.start[1], road.end[1]))
        streets.mark(x0 - half, y0 - half, x1 + half, y1 + half)
    for pad in layout.airfield[:1] + layout.piers:
        corners = pad.corners(10)
        for share in np.linspace(0, 1, 24):
            for other in np.linspace(0, 1, 24 if pad.use == "grass" else 3):
                x, y = corners[0] + (corners[1] - corners[0]) * share + (corners[3] - corners[0]) * other
                streets.mark(x - 14, y - 14, x + 14, y + 14)
    return streets


def place_objects(
    plan: list[tuple[str, str | None]],
    land: Land,
    layout: Layout,
    clear: Clear,
    streets: Clear,
    rng: np.random.Generator,
    dense: bool,
    sizes: Mapping[str, tuple[float, float]] = KIND_SIZES,
    pixel: float = 1.0,
) -> list[Site]:
    """Find a site for each planned object, large ones first, and clear the scenery around it.

    `sizes` of each kind are in pixels of the picture, each `pixel` units long.
    """
    gap = 13 if dense else 24
    taken = np.zeros((0, 4))
    sites: list[Site] = []
    for kind, color in plan:
        low, high = sizes[kind]
        length = pixel * math.exp(rng.uniform(math.log(low + 0.3), math.log(high - 0.3)))
        half = length / 2 + 1.5
        for _ in range(90):
            x, y, heading = _candidate(kind, length, land, layout, rng)
            if not (_MARGIN + half < x < UNITS - _MARGIN - half and _MARGIN + half < y < UNITS - _MARGIN - half):
                continue
            box = np.array((x - half - gap, y - half - gap, x + half + gap, y + half + gap))
            if (
                (taken[:, 0] < box[2]) & (taken[:, 2] > box[0]) & (taken[:, 1] < box[3]) & (taken[:, 3] > box[1])
            ).any():
                continue
            if not _suits(kind, x, y, length, land, layout, streets):
                continue
            taken = np.vstack([taken, (x - half, y - half, x + half, y + half)])
            moving = kind == "ship" and rng.random() < 0.75
            sites.append(Site(kind, color, x, y, length, heading, moving))
            reach = half * (2.1 if moving else 1.5) + 5
            clear.mark(x - reach, y - reach, x + reach, y + reach)
            break
    return sites


def _candidate(
    kind: str, length: float, land: Land, layout: Layout, rng: np.random.Generator
) -> tuple[float, float, float]:
    """Propose a center and a heading for an object."""
    if kind == "car" and layout.roads:
        road = layout.roads[rng.integers(len(layout.roads))]
        dx, dy = road.end[0] - road.start[0], road.end[1] - road.start[1]
        heading = math.atan2(dy, dx)
        along, lane = rng.random(), (1 if rng.random() < 0.5 else -1) * road.width * 0.22
        x = road.start[0] + dx * along - math.sin(heading) * lane
        y = road.start[1] + dy * along + math.cos(heading) * lane
        return x, y, heading + (math.pi if lane < 0 else 0) + rng.normal(0, 0.03)
    if kind == "airplane":
        room = [
            pad for pad in layout.airfield if pad.use in ("apron", "runway", "taxiway") and pad.width > length * 0.9
        ]
        if room:
            pad = room[rng.choice(len(room), p=_shares([3.0 if pad.use == "apron" else 1.0 for pad in room]))]
            reach = max(pad.length - length * 1.2, 1), max(pad.width - length * 1.3, 1)
            x, y = pad.at(rng.uniform(-0.5, 0.5, (1, 2)) * reach)[0]
            quarter = int(rng.integers(4)) if pad.use == "apron" else 2 * int(rng.integers(2))
            return x, y, pad.heading + quarter * math.pi / 2 + rng.normal(0, 0.06)
    x, y = rng.uniform(_MARGIN, UNITS - _MARGIN, 2)
    heading = rng.uniform(0, 2 * math.pi)
    if kind in ("building", "tennis court", "storage tank") and land.cover(x, y) == "urban":
        heading = land.angle + int(rng.integers(4)) * math.pi / 2
    return x, y, heading


def _shares(weights: list[float]) -> np.ndarray:
    return np.array(weights) / sum(weights)


def _suits(kind: str, x: float, y: float, length: float, land: Land, layout: Layout, streets: Clear) -> bool:
    """Tell whether a kind may stand at a point."""
    wet = land.cover(x, y) == "water"
    need = length * 0.72 + (16 if wet or not land.has_water else 34)
    if kind in WATER_KINDS:
        return wet and land.depth(x, y) > need + (length if kind == "island" else 0) and streets.free(x, y, x, y)
    if kind == "car" and layout.roads:
        return not wet
    if kind != "wind turbine" and wet:
        return False
    if land.depth(x, y) < need:
        return False
    half = length * 0.6
    if kind == "airplane" and any(_within(pad, x, y) for pad in layout.airfield[1:]):
        return True
    return streets.free(x - half, y - half, x + half, y + half)


def _within(pad: Pad, x: float, y: float) -> bool:
    cos, sin = math.cos(pad.heading), math.sin(pad.heading)
    dx, dy = x - pad.center[0], y - pad.center[1]
    return abs(dx * cos + dy * sin) <= pad.length / 2 and abs(dy * cos - dx * sin) <= pad.width / 2


def _draw_objects(
    image: np.ndarray, land: Land, sites: list[Site], rng: np.random.Generator, without: Sequence[int]
) -> list[WorldObject]:
    """Draw the objects, with the ground they stand on, and measure their boxes; of those left out, the ground alone."""
    if any(not 0 <= place < len(sites) for place in without):
        raise ValueError(f"the world has objects 0 to {len(sites) - 1}, so it cannot do without {list(without)}")
    scale = len(image) / UNITS
    painter = Painter(image, land.shadow)
    order = rng.permutation(len(sites))
    objects = []
    for place, index in enumerate(order):
        site = sites[index]
        prepare_ground(painter, land, site, rng)
        low, high = KIND_SIZES[site.kind]
        limits = (max(low * scale, 2), max(high * scale, 3))
        sprite = draw(site.kind, site.color, site.length * scale, site.heading, land.shadow, rng, limits, site.moving)
        if place in without:
            continue
        box = paste(image, sprite, site.x * scale, site.y * scale)
        objects.append(WorldObject(site.kind, site.color, box, len(image)))
    return objects


def prepare_ground(painter: Painter, land: Land, site: Site, rng: np.random.Generator) -> None:
    """Lay a yard or a clearing under what would not stand in the middle of a crop or a forest."""
    cover = land.cover(site.x, site.y)
    if cover == "water" or site.kind not in ("storage tank", "building", "tennis court"):
        return
    if cover in ("desert", "urban") and rng.random() < 0.5:
        return
    tone = np.array({"forest": (120, 122, 88), "farmland": (140, 132, 106)}.get(cover, (142, 138, 130)))
    yard = Pad((site.x, site.y), site.length * 1.5 + 8, site.length * 1.3 + 8, site.heading, "yard")
    painter.fill(yard.corners(), tone + rng.uniform(-8, 8), 0.75)


def add_sensor_noise(strip: np.ndarray, rng: np.random.Generator) -> None:
    """Add a little noise to every pixel of a picture's next BLOCK rows, in place, as a sensor does."""
    noise = textures()["sensor"]
    for x in range(0, strip.shape[1], BLOCK):
        block = strip[:, x : x + BLOCK]
        top, left = rng.integers(0, TILE, 2)
        grain = noise[top : top + block.shape[0], left : left + block.shape[1]]
        block[:] = cv2.addWeighted(block, 1, grain, 1, -128)
