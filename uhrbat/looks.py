"""Looking at an image's native scales: which of their tiles, and encoding those.

A look is one tile of a native scale. Looks are a second budget: what they show joins the other tokens in one ranking,
and what was not looked at cannot be preserved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from uhrbat.errors import InputError
from uhrbat.geometry import Square
from uhrbat.imagery import native
from uhrbat.imagery.saliency import tile_saliency
from uhrbat.progress import Reporter

if TYPE_CHECKING:
    from uhrbat.encoded import EncodedImage

Looks = int | Mapping[int, Iterable[int]]
"""How many tiles to look at, or which: {size of a native scale: row-major tile indices}."""
Place = tuple[int, int]
"""(size, tile)."""
EVEN = 8
"""Every so many looks one is spread evenly over the coarsest native scale, whatever saliency and question say."""
QUESTION_WEIGHT = 1.0
"""What the question's importance counts beside what stands out, both from 0 to 1, where the finest native scale is at
most `FULL_WEIGHT_TO` times the finest whole one; beyond, the less the smaller an object is where it was scored."""
FULL_WEIGHT_TO = 4
MOST_TILES = 512
"""Encoded tiles that an image remembers for its next questions."""


def plan(
    square: Square,
    cells: np.ndarray,
    importance: Tensor,
    even: int = EVEN,
    question_weight: float = QUESTION_WEIGHT,
) -> list[Place]:
    """Every tile of the native scales that shows something of the image, in the order in which it is worth a look.

    cells: of `imagery.saliency`; importance: float[N] of the finest whole scale's tokens. Of the finest native scale
    the tiles that stand out and that concern the question; every `EVEN`-th place goes to the coarsest native scale,
    where one look covers most, evenly over the square. The first n are the looks of a budget n, so more looks are a
    longer prefix. even, question_weight: other ones than `EVEN` and `QUESTION_WEIGHT` (`python -m tools.look_recall`).
    """
    sizes = square.native_sizes
    if not sizes:
        return []
    shown = {size: square.tiles_in_box(size, (0, 0, square.width, square.height)) for size in sizes}
    salient = tile_saliency(cells, square, sizes[-1])
    whole = max(scale.size for scale in square.scales if scale.looked is None)
    weight = question_weight * min(1.0, FULL_WEIGHT_TO * whole / sizes[-1])
    score = _unit(salient) + weight * _unit(_importance_of_tiles(square, sizes[-1], importance))
    best = [(sizes[-1], tile) for tile in np.argsort(-score, kind="stable").tolist()]
    spread = [(size, tile) for size in sizes for tile in native.spread(size // square.tile).tolist()]
    allowed = {(size, tile) for size in sizes for tile in shown[size].tolist()}
    queues = [iter([place for place in order if place in allowed]) for order in (best, spread)]
    ordered: list[Place] = []
    chosen: set[Place] = set()
    while len(ordered) < len(allowed):
        turn = queues[1 if len(ordered) % even == even - 1 else 0]
        place = next((place for place in turn if place not in chosen), None)
        if place is None:
            place = next(place for order in queues for place in order if place not in chosen)
        ordered.append(place)
        chosen.add(place)
    return ordered


def look(image: EncodedImage, tiles: Mapping[int, Iterable[int]], report: Reporter) -> EncodedImage:
    """The same image with the tokens of these tiles of its native scales, and of no others; it shares what it can.

    InputError where the image was not read from a file or has no such tile; ImageError where the file cannot be read.
    """
    square = image.square.looking(tiles)
    with image.lock:
        known = image.looked.get(square.looks)
    if known is not None:
        return known
    encoded = encode(image, square, report)
    embeddings, visual, excluded = dict(image.embeddings), dict(image.visual), dict(image.excluded)
    released = image.engine.network.profile.released
    for size, looked in square.looks:
        parts = [encoded[size, tile] for tile in looked]
        embeddings[size] = torch.cat([part[0] for part in parts])
        if image.visual:
            visual[size] = torch.cat([part[1] for part in parts if part[1] is not None])
        padding = torch.as_tensor(square.padding(size), device=image.device)
        valid = torch.cat([part[2] for part in parts]) & ~padding
        excluded[size] = ~(valid | padding if released else valid)
    found = image.with_looks(square, embeddings, visual, excluded, image.seconds | report.close())
    with image.lock:
        image.looked[square.looks] = found
    return found


@torch.inference_mode()
def encode(image: EncodedImage, square: Square, report: Reporter) -> dict[Place, tuple[Tensor, Tensor | None, Tensor]]:
    """Embeddings, similarity vectors and validity of every tile that a square looks at, those encoded before from
    memory; as many as the image has room for are remembered."""
    engine = image.engine
    config, network = engine.network.config, engine.network
    places = [(size, tile) for size, looked in square.looks for tile in looked]
    with image.lock:
        found = {place: image.tiles[place] for place in places if place in image.tiles}
    missing = [place for place in places if place not in found]
    if missing and image.info is None:
        raise InputError("only an image that was read from a file can be looked at beyond its finest scale")
    mean, std = (np.asarray(values, np.float32) for values in (config.image_mean, config.image_std))
    batch: list[tuple[Place, np.ndarray, np.ndarray]] = []

    def run() -> None:
        pixels = np.stack([((part.astype(np.float32) / 255 - mean) / std).transpose(2, 0, 1) for _, part, _ in batch])
        features = engine.tile_batches.run(engine.features, torch.as_tensor(pixels))
        embedded = network.project(features)
        seen = network.similarity_vectors(features) if network.similarity is not None else None
        for index, (place, _, valid) in enumerate(batch):
            own = None if seen is None else seen[index]
            found[place] = (embedded[index], own, torch.as_tensor(valid, device=image.device))
        batch.clear()

    if missing:
        assert image.info is not None
        stop = report.cancel.is_set if report.cancel is not None else None
        on_read = (lambda share: report("window", share)) if image.reader.apart else None
        for tile in image.reader.tiles(image.info, square, missing, on_read, stop):
            report("look", (len(found) + len(batch)) / len(places), f"{len(found)} of {len(places)} looks")
            batch.append(tile)
            if len(batch) == engine.tile_batches.at_once:
                run()
        if batch:
            run()
        report("look", 1.0, f"{len(places)} of {len(places)} looks")
    with image.lock:
        image.tiles.update({place: found[place] for place in places[: int(image.tiles.maxsize)]})
    return found


def _importance_of_tiles(square: Square, size: int, importance: Tensor) -> np.ndarray:
    """float32[tiles]: of the finest whole scale's tokens in each tile the highest importance; row-major."""
    finest = next(scale for scale in reversed(square.scales) if scale.looked is None)
    tiles = size // square.tile
    column, row = (finest.centers * tiles).astype(int).T
    found = np.zeros(tiles**2, np.float32)
    np.maximum.at(found, row * tiles + column, importance.detach().float().cpu().numpy())
    return found


def _unit(values: np.ndarray) -> np.ndarray:
    """Values from 0 (the lowest) to 1 (the 99th percentile and above)."""
    low, high = float(values.min()), float(np.percentile(values, 99))
    return np.clip((values - low) / (high - low), 0, 1) if high > low else np.zeros_like(values)
