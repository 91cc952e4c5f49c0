"""Parts of whole real pictures that a model takes for what they are not, for the tower to train on.

A window drawn at random holds few tokens that nearly look like a car; a whole picture holds hundreds. Here encoded
pictures (`nano.tokens`) are searched for the tokens most alike to a kind that is not there, and the pixels around them
are kept with what is known of them, beside parts around the objects themselves.

    python -m uhrbat.training.nano.lookalikes --data DATA/real --weights runs/refined --out runs/lookalikes

What is in --out is not made again.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from uhrbat.data.compositions import Composer
from uhrbat.data.kinds import INDEX, TOWER_KINDS, plural
from uhrbat.data.real import OWN_BOXES, bare_pictures, read_pictures, training
from uhrbat.evaluation.kept import part_of
from uhrbat.geometry import PATCH, SCALES, TILE_GRID
from uhrbat.network.model import Network
from uhrbat.network.text import TextCodec
from uhrbat.training.nano.augment import degraded, recoloured
from uhrbat.training.nano.pretrain import encode_texts, opened
from uhrbat.training.nano.refine import states
from uhrbat.training.nano.tokens import REAL_SEED, RealWorld, WorldTokens, paths_of
from uhrbat.training.nano.windows import NO_COLOR, NOT, Window, turned_window
from uhrbat.training.nano.worlds import PART, grid_of

MISTAKEN = (4, 8, 16, 24)
"""Parts of each scale around the tokens most alike to a kind that they do not show, where one kind is known."""
SHOWING = (4, 8, 12, 16)
"""Parts of each scale around objects."""
APART = 5
"""Side, in tokens, of the square of which only the most alike token is taken."""


def most_alike(scores: np.ndarray, wrong: np.ndarray, count: int) -> np.ndarray:
    """int64[n, 2]: row and column of the `count` most alike of the tokens that are `wrong`, none beside a better one.

    scores: float32[grid, grid]; wrong: bool[grid, grid].
    """
    scores = np.where(wrong, scores, -np.inf).astype(np.float32)
    peaks = (scores >= cv2.dilate(scores, np.ones((APART, APART), np.uint8))) & wrong
    places = np.argwhere(peaks)
    return places[np.argsort(-scores[peaks], kind="stable")[:count]]


@dataclass(frozen=True)
class Searcher:
    """Finds the parts of a picture. vectors: for each kind, unit vectors float[n, p] of texts that name it."""

    model: Network
    vectors: dict[str, Tensor]

    @classmethod
    def of(cls, model: Network, codec: TextCodec) -> Searcher:
        similarity = model.dense_similarity()
        vectors = {}
        for kind in TOWER_KINDS:
            texts = [kind, f"How many {plural(kind)} are there?", f"Where are the {plural(kind)}?"]
            with torch.no_grad():
                vectors[kind] = similarity.text_vectors(*encode_texts(codec, texts, similarity.max_text_tokens))
        return cls(model, vectors)

    @torch.no_grad()
    def parts(self, world: WorldTokens, picture: RealWorld, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """pixels uint8[n, side, side, 3], state int8[n, kinds, PART, PART], center bool[n, PART, PART], mistaken
        bool[n]: whether a part is of a lookalike and not of an object."""
        out: dict[str, list] = {"pixels": [], "state": [], "center": [], "mistaken": []}
        for level, size in enumerate(SCALES):
            grid = size // PATCH
            labels, state = world.labels[size], states(world, size).reshape(-1, grid, grid)
            features = torch.from_numpy(world.features[size].reshape(grid * grid, -1)).float()
            visual = self.model.similarity_vectors(features)
            kinds = world.known or ()
            count = max(1, round(MISTAKEN[level] / max(1, len(kinds)) ** 0.5))
            places = []
            for kind in kinds:
                scores = (visual @ self.vectors[kind].T).amax(-1).view(grid, grid).numpy()
                places += [(*place, True) for place in most_alike(scores, state[INDEX[kind]] == NOT, count)]
            middles = np.argwhere(labels.center & (labels.owner >= 0))
            places += [(*place, False) for place in rng.permutation(middles)[: SHOWING[level]]]
            for row, column, mistaken in places:
                y, x = (corner(int(at), rng) for at in (row, column))
                where = np.s_[y : y + PART, x : x + PART]
                edge = PART * PATCH
                out["pixels"].append(picture.images[size][y * PATCH :, x * PATCH :][:edge, :edge])
                out["state"].append(state[(slice(None), *where)])
                out["center"].append(labels.center[where])
                out["mistaken"].append(mistaken)
        return {name: np.ascontiguousarray(np.stack(values)) for name, values in out.items()}


def corner(at: int, rng: np.random.Generator) -> int:
    """First token, along one side, of a part that lies inside one tile and holds token `at`."""
    tile = at // TILE_GRID * TILE_GRID
    low, high = max(0, at - tile - PART + 1), min(TILE_GRID - PART, at - tile)
    return tile + int(rng.integers(low, high + 1))


class LookalikeWindows:
    """Draws windows laid of nine parts from a folder that this module made."""

    def __init__(self, folder: Path, rng: np.random.Generator) -> None:
        self.rng = rng
        self.worlds = [load_file(path) for path in paths_of(folder)]
        self.mistaken = [np.flatnonzero(world["mistaken"]) for world in self.worlds]
        self.showing = [np.flatnonzero(~world["mistaken"]) for world in self.worlds]

    def draw(self, mistaken: float = 0.65) -> Window:
        """One window; mistaken: share of the parts that lie around a lookalike."""
        parts = [self.part(self.rng.random() < mistaken) for _ in range((TILE_GRID // PART) ** 2)]
        pixels, state, color, center, land = (
            grid_of([getattr(part, name) for part in parts]) for name in ("pixels", "state", "color", "center", "land")
        )
        pixels = degraded(recoloured(np.ascontiguousarray(pixels), self.rng), self.rng)
        return Window(pixels, state, color, center, land)

    def part(self, mistaken: bool) -> Window:
        index = int(self.rng.integers(len(self.worlds)))
        world = self.worlds[index]
        some = (self.mistaken if mistaken else self.showing)[index]
        some = some if len(some) else np.arange(len(world["mistaken"]))
        one = some[self.rng.integers(len(some))]
        color, land = np.full((PART, PART), NO_COLOR, np.int16), np.full((PART, PART), -1, np.int16)
        window = Window(world["pixels"][one], world["state"][one], color, world["center"][one], land)
        return turned_window(window, int(self.rng.integers(4)), bool(self.rng.random() < 0.5))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of real pictures")
    parser.add_argument("--bare", type=Path, help="the folder deepforest/data of that package: pictures from near")
    parser.add_argument("--tokens", type=Path, default=Path("runs/tokens"))
    parser.add_argument("--weights", type=Path, default=Path("runs/refined"), help="the model that mistakes them")
    parser.add_argument("--out", type=Path, default=Path("runs/lookalikes"))
    parser.add_argument("--part", default="1/1", help="i/n: every n-th picture, for n processes that share the work")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    searcher = Searcher.of(*opened(args.weights, args.weights))
    composer = Composer(training(read_pictures(args.data, OWN_BOXES)))
    bare = bare_pictures(args.bare) if args.bare else []
    part, parts = part_of(args.part)
    paths = [path for path in paths_of(args.tokens) if int(path.stem) >= REAL_SEED]
    for path in tqdm(paths[part - 1 :: parts], desc="lookalikes"):
        out = args.out / path.name
        if out.exists():
            continue
        world, index = WorldTokens.load(path), int(path.stem) - REAL_SEED
        found = searcher.parts(world, RealWorld.compose(composer, bare, index), np.random.default_rng(index))
        save_file(found, out.with_suffix(".part"))
        os.replace(out.with_suffix(".part"), out)


if __name__ == "__main__":
    main()
