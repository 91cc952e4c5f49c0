"""Objects pasted: real ones into generated worlds and real pictures, generated ones into real pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image

from uhrbat.data.kinds import INDEX
from uhrbat.data.real import Box, Picture, PictureCache
from uhrbat.geometry import PATCH, TILE, TILE_GRID
from uhrbat.training.nano.augment import recoloured
from uhrbat.training.nano.windows import EXCLUDED, NO_COLOR, NOT, SHOWN, UNKNOWN, Window, mark_boxes
from uhrbat.worlds import COLORS, KIND_COLORS, KINDS
from uhrbat.worlds.sprites import draw, paste

LARGEST = {"car": 40, "storage tank": 70, "fish raft": 60, "tennis court": 70}
"""Longer side, in pixels, of the largest pasted object of a kind; 100 for others."""


class Paster:
    """Lays objects into windows. pictures: the boxed pictures that real objects are cut from."""

    def __init__(self, pictures: Sequence[Picture], rng: np.random.Generator, cache: PictureCache) -> None:
        self.rng, self.cache = rng, cache
        self.cut_from: dict[str, list[Picture]] = {}
        for picture in pictures:
            for kind, boxes in picture.boxes.items():
                if boxes:
                    self.cut_from.setdefault(kind, []).append(picture)

    def generated(self, window: Window) -> Window:
        """The window with one to five generated objects in it, with their shadows."""
        rng = self.rng
        pixels, state, color = window.pixels.copy(), window.state.copy(), window.color.copy()
        center = window.center.copy()
        angle = rng.uniform(0, 2 * math.pi)
        for _ in range(int(rng.integers(1, 6))):
            kind = KINDS[rng.integers(len(KINDS))]
            hues = KIND_COLORS[kind]
            hue = hues[rng.integers(len(hues))] if hues else None
            length = math.exp(rng.uniform(math.log(5), math.log(LARGEST.get(kind, 100))))
            x, y = rng.uniform(length / 2 + 2, TILE - length / 2 - 2, 2)
            heading, shadow = rng.uniform(0, 2 * math.pi), (math.cos(angle), math.sin(angle))
            sprite = draw(kind, hue, length, heading, shadow, rng, (3, TILE), bool(rng.random() < 0.5))
            box = paste(pixels, sprite, x, y)
            self.write(state, color, center, box, INDEX[kind], COLORS.index(hue) if hue else NO_COLOR)
        return Window(pixels, state, color, center, window.land, window.bags)

    def real(self, window: Window) -> Window:
        """The window with one to six cuts of real pictures in it, two in three of them objects."""
        rng = self.rng
        pixels, state, color = window.pixels.copy(), window.state.copy(), window.color.copy()
        center = window.center.copy()
        for _ in range(int(rng.integers(1, 7)) if self.cut_from else 0):
            kind = list(self.cut_from)[rng.integers(len(self.cut_from))]
            picture = self.cut_from[kind][rng.integers(len(self.cut_from[kind]))]
            boxes = picture.boxes[kind]
            x0, y0, x1, y1 = boxes[rng.integers(len(boxes))]
            source = self.cache.read(picture.path)
            shown = rng.random() < 0.67
            if not shown:
                wide, tall = x1 - x0, y1 - y0
                x0, y0 = rng.uniform(0, source.shape[1] - wide), rng.uniform(0, source.shape[0] - tall)
                x1, y1 = x0 + wide, y0 + tall
                taken = (*boxes, *picture.unsure.get(kind, ()))
                if any(x0 < b[2] and b[0] < x1 and y0 < b[3] and b[1] < y1 for b in taken):
                    continue
            longer = max(x1 - x0, y1 - y0)
            factor = min(math.exp(rng.uniform(math.log(4), math.log(LARGEST.get(kind, 100)))) / longer, 2.0)
            margin = rng.uniform(0.05, 0.35) * longer
            cut = (x0 - margin, y0 - margin, x1 + margin, y1 + margin)
            if cut[0] < 0 or cut[1] < 0 or cut[2] > source.shape[1] or cut[3] > source.shape[0]:
                continue
            wide, tall = (max(3, round((b - a) * factor)) for a, b in ((cut[0], cut[2]), (cut[1], cut[3])))
            if max(wide, tall) >= TILE - 4:
                continue
            patch = np.asarray(Image.fromarray(source).resize((wide, tall), Image.Resampling.BICUBIC, box=cut))
            patch = np.rot90(recoloured(patch, rng), int(rng.integers(4)))
            tall, wide = patch.shape[:2]
            left, top = int(rng.integers(0, TILE - wide)), int(rng.integers(0, TILE - tall))
            blend(pixels[top : top + tall, left : left + wide], patch, margin * factor, rng)
            edge = margin * factor
            box = (left + edge, top + edge, left + wide - edge, top + tall - edge)
            self.write(state, color, center, box, INDEX[kind], NO_COLOR, shown)
        return Window(pixels, state, color, center, window.land, window.bags)

    def clutter(self, window: Window) -> Window:
        """The window with bare branches and stones as drones see them from near, which are none of the kinds."""
        rng = self.rng
        pixels, state = window.pixels.copy(), window.state.copy()
        drawn = np.zeros(pixels.shape[:2], np.uint8)
        layer = pixels.copy()
        tone = rng.uniform(60, 235) * (1 + rng.normal(0, 0.06, 3))
        for _ in range(int(rng.integers(4, 30))):
            start, reach = rng.uniform(0, TILE, 2), rng.uniform(15, 110)
            bend = np.cumsum(rng.normal(0, 0.25, 9)) + rng.uniform(0, 2 * math.pi)
            path = start + np.cumsum(np.stack([np.cos(bend), np.sin(bend)], 1), 0) * reach / 9
            wide, color = int(rng.integers(1, 7)), (tone * rng.uniform(0.7, 1.15)).clip(0, 255).tolist()
            for canvas, paint in ((layer, color), (drawn, 255)):
                cv2.polylines(canvas, [(path * 8).astype(np.int32)], False, paint, wide, cv2.LINE_AA, 3)
        for _ in range(int(rng.integers(0, 5))):
            angles, radius = np.sort(rng.uniform(0, 2 * math.pi, 9)), rng.uniform(4, 45)
            edge = np.stack([np.cos(angles), np.sin(angles)], 1) * radius * rng.uniform(0.6, 1.1, (9, 1))
            middle, shade = rng.uniform(0, TILE, 2), rng.normal(0, 0.35 * radius, 2)
            grey = float(rng.uniform(110, 215))
            stone = (grey, grey * rng.uniform(0.9, 1.0), grey * rng.uniform(0.85, 1.0))
            for offset, color in ((shade, (30.0, 34.0, 30.0)), (np.zeros(2), stone)):
                for canvas, paint in ((layer, color), (drawn, 255)):
                    cv2.fillPoly(canvas, [((middle + offset + edge) * 8).astype(np.int32)], paint, cv2.LINE_AA, 3)
        pixels = cv2.GaussianBlur(layer, (0, 0), rng.uniform(0.3, 1.2)) if rng.random() < 0.7 else layer
        touched = drawn.reshape(TILE_GRID, PATCH, TILE_GRID, PATCH).mean((1, 3)) > 40
        for kind in EXCLUDED:
            own = state[INDEX[kind]]
            own[touched & (own == UNKNOWN)] = NOT
            own[touched & (own == SHOWN)] = UNKNOWN
        return Window(pixels, state, window.color, window.center, window.land, window.bags)

    @staticmethod
    def write(
        state: np.ndarray, color: np.ndarray, center: np.ndarray, box: Box, kind: int, hue: int, shown: bool = True
    ) -> None:
        """Label the tokens that the box covers: they show `kind` (or surely do not), and of others nothing is known."""
        x0, y0, x1, y1 = box
        rows = slice(max(0, int(y0 // PATCH)), min(TILE_GRID, math.ceil(y1 / PATCH)))
        columns = slice(max(0, int(x0 // PATCH)), min(TILE_GRID, math.ceil(x1 / PATCH)))
        under = state[:, rows, columns]
        under[under == SHOWN] = UNKNOWN
        color[rows, columns] = NO_COLOR
        center[rows, columns] = False
        own = np.full((TILE_GRID, TILE_GRID), NOT, np.int8)
        if shown:
            mark_boxes(own, [box])
            state[kind] = np.where(own == NOT, state[kind], own)
            color[own == SHOWN] = hue
            row, column = int((y0 + y1) / 2 // PATCH), int((x0 + x1) / 2 // PATCH)
            if own[row, column] == SHOWN:
                center[row, column] = True
        else:
            state[kind, rows, columns] = NOT


def blend(under: np.ndarray, patch: np.ndarray, margin: float, rng: np.random.Generator) -> None:
    """Lay `patch` uint8[h, w, 3] over `under`, in place, its outer `margin` pixels softly; brightness drawn to it."""
    tall, wide = patch.shape[:2]
    inside = np.zeros((tall, wide), np.float32)
    edge = max(1, round(margin * 0.5))
    inside[edge : tall - edge, edge : wide - edge] = 1
    alpha = cv2.GaussianBlur(inside, (0, 0), max(0.4, margin * rng.uniform(0.15, 0.4)))[..., None]
    shift = (under.mean((0, 1)) - patch.mean((0, 1))) * rng.uniform(0, 0.6)
    mixed = under * (1 - alpha) + (patch + shift) * alpha
    under[:] = np.clip(mixed, 0, 255).astype(np.uint8)
