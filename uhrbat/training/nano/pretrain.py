"""Dense text-patch pre-training of nano's vision and text towers, with hard windows mined as it goes.

Every token of a window of 8 x 8 tokens is compared with the questions of a step; a token of an object that a
question names should match it, all others should not (focal loss on the scaled cosine, as docs/training.md tells).
Small heads for kind, colour, centre and land cover keep those readable in the features; they are not shipped.
Run it again with the same --out to resume.
"""

from __future__ import annotations

import argparse
import logging
import math
import time
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from uhrbat.checkpoints import loading
from uhrbat.geometry import PATCH, SCALES, TILE_GRID
from uhrbat.network.model import Network
from uhrbat.network.text import TextCodec
from uhrbat.training.finetune.state import load_state, save_state
from uhrbat.training.nano.config import MEAN, POINT_BINS, STD, config_of, nano_config
from uhrbat.training.nano.pool import NO_COLOR, NO_KIND, PoolWorld, available
from uhrbat.worlds import COLORS, KINDS, LAND_COVERS

WINDOW = 8
SCALE_SHARE = (0.14, 0.2, 0.26, 0.4)
KIND_HEAD, COLOR_HEAD = slice(0, NO_KIND + 1), slice(NO_KIND + 1, NO_KIND + 2 + NO_COLOR)
CENTER_HEAD = NO_KIND + 2 + NO_COLOR
LAND_HEAD = slice(CENTER_HEAD + 1, CENTER_HEAD + 1 + len(LAND_COVERS))
HEADS = LAND_HEAD.stop
logger = logging.getLogger(__name__)


def normalise(windows: np.ndarray, mean: tuple[float, ...] = MEAN, std: tuple[float, ...] = STD) -> Tensor:
    """uint8[n, h, w, 3] -> float32[n, 3, h, w] as a tower takes it whose pixels have this mean and deviation."""
    pixels = torch.from_numpy(windows).permute(0, 3, 1, 2).float().div_(255)
    return (pixels - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)


class WindowSampler:
    """Draws windows: around objects, at random, and where the model was last seen to be wrong."""

    def __init__(self, folder: Path, rng: np.random.Generator, hard_capacity: int = 6000) -> None:
        self.folder, self.rng = folder, rng
        self.worlds: dict[int, PoolWorld] = {}
        self.hard: list[tuple[int, int, int, int]] = []
        self.hard_capacity = hard_capacity
        self.refresh()

    def refresh(self) -> None:
        for seed in available(self.folder):
            if seed not in self.worlds:
                self.worlds[seed] = PoolWorld(self.folder, seed)
        self.seeds = list(self.worlds)

    def add_hard(self, windows: list[tuple[int, int, int, int]]) -> None:
        self.hard = (self.hard + windows)[-self.hard_capacity :]

    def around(self, row: int, col: int, window: int) -> tuple[int, int]:
        """Top-left token of a window inside one tile that holds token (row, col)."""
        out = []
        for value in (row, col):
            tile = value // TILE_GRID * TILE_GRID
            low = max(0, value - tile - window + 1)
            high = min(TILE_GRID - window, value - tile)
            out.append(tile + int(self.rng.integers(low, high + 1)))
        return out[0], out[1]

    def draw(self, hard_share: float, window: int) -> tuple[int, int, int, int]:
        """-> (seed, size, row, col) of a window's top-left token."""
        rng = self.rng
        luck = rng.random()
        if self.hard and luck < hard_share:
            seed, size, row, col = self.hard[rng.integers(len(self.hard))]
            return (seed, size, *self.around(row, col, window))
        seed = self.seeds[rng.integers(len(self.seeds))]
        size = int(rng.choice(SCALES, p=SCALE_SHARE))
        grid = size // PATCH
        world = self.worlds[seed]
        if luck < 0.8 and world.objects:
            x0, y0, x1, y1 = world.objects[rng.integers(len(world.objects))]["box"]
            factor = grid / (SCALES[-1])
            row, col = int((y0 + y1) / 2 * factor), int((x0 + x1) / 2 * factor)
        else:
            row, col = rng.integers(0, grid, 2)
        return (seed, size, *self.around(int(row), int(col), window))

    def batch(self, count: int, hard_share: float, window: int) -> tuple[np.ndarray, dict[str, Tensor], Tensor]:
        """-> `count` windows of `window` x `window` tokens: pixels uint8[n, side, side, 3], labels int64[n, window²]
        by name, position ids int64[n, 1 + window²]."""
        n = window * PATCH
        pixels = np.empty((count, n, n, 3), np.uint8)
        names = ("kind", "color", "center", "ignore", "land")
        labels = {name: np.empty((count, window, window), np.int64) for name in names}
        positions = np.zeros((count, window * window + 1), np.int64)
        span = np.arange(window)
        for index in range(count):
            seed, size, row, col = self.draw(hard_share, window)
            world = self.worlds[seed]
            picture = world.images[size][row * PATCH : row * PATCH + n, col * PATCH : col * PATCH + n]
            turn, flip = int(self.rng.integers(4)), self.rng.random() < 0.5
            pixels[index] = turned(np.asarray(picture), turn, flip)
            for name in names:
                values = getattr(world.labels[size], name)[row : row + window, col : col + window]
                labels[name][index] = turned(values, turn, flip)
            top, left = self.rng.integers(0, TILE_GRID - window + 1, 2)
            positions[index, 1:] = 1 + ((top + span)[:, None] * TILE_GRID + left + span).reshape(-1)
        flat = {name: torch.from_numpy(value.reshape(count, -1)) for name, value in labels.items()}
        return pixels, flat, torch.from_numpy(positions)

    def mosaics(self, count: int, hard_share: float) -> tuple[np.ndarray, dict[str, Tensor], None]:
        """`count` tiles laid of 3 x 3 windows each, as `batch` gives them: as many tokens see one another as in a whole
        tile, yet nine times as many of them are worth looking at."""
        side = TILE_GRID // WINDOW
        pixels, labels, _ = self.batch(count * side * side, hard_share, WINDOW)
        flat = {
            name: torch.from_numpy(mosaics(v.numpy(), count, side).reshape(count, -1)) for name, v in labels.items()
        }
        return mosaics(pixels, count, side), flat, None


def mosaics(windows: np.ndarray, count: int, side: int) -> np.ndarray:
    """[count * side², ...] square windows (flat or not) -> [count, side * edge, side * edge, ...] mosaics."""
    if windows.ndim == 2:
        windows = windows.reshape(len(windows), WINDOW, WINDOW)
    edge = windows.shape[1]
    grid = windows.reshape(count, side, side, edge, edge, *windows.shape[3:]).swapaxes(2, 3)
    return np.ascontiguousarray(grid.reshape(count, side * edge, side * edge, *windows.shape[3:]))


def turned(array: np.ndarray, turn: int, flip: bool) -> np.ndarray:
    out = np.rot90(array, turn)
    return out[:, ::-1] if flip else out


class PhraseSampler:
    """Draws question texts with the (kind, colour) specs that they name."""

    def __init__(self, codec: TextCodec, limit: int, rng: np.random.Generator) -> None:
        self.codec, self.limit, self.rng = codec, limit, rng
        self.bank: dict[str, list[list[int]]] = {}
        for kind, name in enumerate(KINDS):
            self.bank[name] = [[kind, -1]]
            self.bank[f"{name}s" if not name.endswith("s") else name] = [[kind, -1]]
            for color, word in enumerate(COLORS):
                self.bank[f"{word} {name}"] = [[kind, color]]
        self.plain = list(self.bank)

    def refresh(self, worlds: dict[int, PoolWorld]) -> None:
        for world in worlds.values():
            for question in world.questions:
                self.bank.setdefault(question["text"], question["targets"])
        self.texts = list(self.bank)

    def draw(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """-> ids int64[n, L], mask int64[n, L], match bool[kinds + 1, colours + 1, n]."""
        plain = self.rng.choice(len(self.plain), count // 3, replace=False)
        chosen = [self.plain[i] for i in plain]
        chosen += [self.texts[i] for i in self.rng.choice(len(self.texts), count - len(chosen), replace=False)]
        match = np.zeros((NO_KIND + 1, NO_COLOR + 1, count), bool)
        for index, text in enumerate(chosen):
            for kind, color in self.bank[text]:
                match[kind, slice(None) if color < 0 else color, index] = True
        ids, mask = encode_texts(self.codec, chosen, self.limit)
        return ids, mask, torch.from_numpy(match)


def encode_texts(codec: TextCodec, texts: list[str], limit: int) -> tuple[Tensor, Tensor]:
    rows = [codec.similarity_ids(text, limit) for text in texts]
    width = max(map(len, rows))
    ids = torch.full((len(rows), width), codec.tokenizer.pad_token_id)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
        mask[index, : len(row)] = 1
    return ids, mask


def dense_loss(
    model: Network, heads: nn.Linear, features: Tensor, labels: dict, text: Tensor, match: Tensor
) -> tuple[Tensor, dict, Tensor]:
    """Focal loss of every token with every text, plus the readable heads. -> (loss, numbers to log, logits)."""
    visual = model.similarity_vectors(features)
    logits = model.dense_similarity().logits(visual.flatten(0, 1), text).view(*features.shape[:2], -1)
    kind, color = labels["kind"], labels["color"]
    target = match[kind, color].float()
    weight = torch.where(target > 0, 0.6, 0.25) + 0.6 * target * labels["center"][..., None]
    weight = weight * ~((labels["ignore"] > 0)[..., None] & (target == 0))
    cross = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    focal = cross * (1 - torch.exp(-cross)) ** 2 * weight
    similar = focal.sum() / (target.sum() + 8)
    read = heads(cast(nn.Module, model.vision.post_layernorm)(features)).flatten(0, 1)
    flat_kind = torch.where(labels["ignore"] > 0, -100, kind).flatten()
    rare = torch.ones(NO_KIND + 1)
    rare[NO_KIND] = 0.3
    known = flat_kind.ge(0) & flat_kind.lt(NO_KIND)
    kinds = F.cross_entropy(read[:, KIND_HEAD], flat_kind, weight=rare, ignore_index=-100)
    zero = read.sum() * 0
    colors = F.cross_entropy(read[known][:, COLOR_HEAD], color.flatten()[known]) if known.any() else zero
    centers = (
        F.binary_cross_entropy_with_logits(read[known][:, CENTER_HEAD], labels["center"].flatten()[known].float())
        if known.any()
        else zero
    )
    land = F.cross_entropy(read[:, LAND_HEAD], labels["land"].flatten())
    loss = similar + 0.5 * kinds + 0.3 * colors + 0.3 * centers + 0.1 * land
    with torch.no_grad():
        right = (read[:, KIND_HEAD].argmax(-1) == flat_kind)[known].float().mean() if known.any() else zero
        hue = (read[known][:, COLOR_HEAD].argmax(-1) == color.flatten()[known]).float().mean() if known.any() else zero
    numbers = {
        "similar": similar,
        "kinds": kinds,
        "colors": colors,
        "centers": centers,
        "land": land,
        "kind_ok": right,
        "color_ok": hue,
    }
    return loss, {name: float(value.detach()) for name, value in numbers.items()}, logits


@torch.no_grad()
def mine(
    model: Network, sampler: WindowSampler, text: Tensor, match: Tensor, tiles: int, rng: np.random.Generator
) -> list:
    """Look at whole tiles and return tokens (seed, size, row, col) that are most wrongly matched."""
    found = []
    for _ in range(tiles // 4):
        seed = sampler.seeds[rng.integers(len(sampler.seeds))]
        size = int(rng.choice(SCALES, p=(0.05, 0.15, 0.3, 0.5)))
        corners = rng.integers(0, size // (TILE_GRID * PATCH), (4, 2)) * TILE_GRID
        world = sampler.worlds[seed]
        edge = TILE_GRID * PATCH
        pixels = np.stack([world.images[size][r * PATCH :][:edge, c * PATCH :][:, :edge] for r, c in corners])
        visual = model.similarity_vectors(model.features(normalise(pixels)))
        scores = model.dense_similarity().logits(visual.flatten(0, 1), text).sigmoid().view(4, TILE_GRID, TILE_GRID, -1)
        for (r, c), score in zip(corners, scores):
            view = np.s_[r : r + TILE_GRID, c : c + TILE_GRID]
            labels = world.labels[size]
            target = match[
                torch.from_numpy(labels.kind[view].astype(int)),
                torch.from_numpy(labels.color[view].astype(int)),
            ]
            wrong = torch.where(target, 1 - score, score).amax(-1)
            wrong[torch.from_numpy(labels.ignore[view])] = 0
            values, places = wrong.flatten().topk(3)
            for value, place in zip(values.tolist(), places.tolist()):
                if value > 0.35:
                    found.append((seed, size, int(r) + place // TILE_GRID, int(c) + place % TILE_GRID))
    return found


def parameter_groups(model: nn.Module, heads: nn.Linear) -> list[dict]:
    named = [
        (name, value) for name, value in model.named_parameters() if name.startswith(("vision.", "similarity."))
    ] + [(f"heads.{name}", value) for name, value in heads.named_parameters()]
    plain = [value for name, value in named if value.ndim < 2 or "embedding" in name]
    decayed = [value for name, value in named if not (value.ndim < 2 or "embedding" in name)]
    return [{"params": decayed, "weight_decay": 0.03}, {"params": plain, "weight_decay": 0.0}]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", type=Path, default=Path("runs/pool"))
    parser.add_argument("--tokenizer", type=Path, default=Path("runs/tokenizer"))
    parser.add_argument("--out", type=Path, default=Path("runs/pretrain"))
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--mosaics-from", type=float, default=0.4, help="share after which windows are laid as tiles")
    parser.add_argument("--tiles-from", type=float, default=0.7, help="share of the steps after which tiles are whole")
    parser.add_argument("--mined", type=int, default=160, help="tiles looked at for mistakes every 100 steps")
    parser.add_argument("--bfloat16", action="store_true", help="for processors with AMX: several times faster")
    parser.add_argument("--initial", type=Path, help="weights to start from, such as uhrbat/nano")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    tokenizer = loading.tokenizer_of(args.tokenizer)
    codec = TextCodec(tokenizer, POINT_BINS)
    model = Network(nano_config(len(tokenizer), tokenizer.pad_token_id, codec.end))
    similarity = model.dense_similarity()
    nn.init.normal_(model.get_parameter("vision.embeddings.patch_embedding.weight"), std=0.03)
    nn.init.normal_(model.get_parameter("vision.embeddings.position_embedding.weight"), std=0.02)
    nn.init.normal_(model.get_parameter("similarity.text_model.embeddings.token_embedding.weight"), std=0.3)
    heads = nn.Linear(model.vision.config.hidden_size, HEADS)
    optimizer = torch.optim.AdamW(parameter_groups(model, heads), lr=args.rate, betas=(0.9, 0.98), fused=True)
    weights = [value for group in optimizer.param_groups for value in group["params"]]
    limit = similarity.max_text_tokens
    sampler = WindowSampler(args.pool, rng)
    phrases = PhraseSampler(codec, limit, rng)
    phrases.refresh(sampler.worlds)
    args.out.mkdir(parents=True, exist_ok=True)
    if args.initial:
        load_weights(model, args.initial)
    whole = nn.ModuleDict({"model": model, "heads": heads})
    step = load_state(args.out, whole, optimizer)
    average: dict[str, float] = {}
    begin = time.time()
    while step < args.steps:
        share = step / args.steps
        rate = args.rate * min(1.0, (step + 1) / 100) * (0.5 * (1 + math.cos(math.pi * share)) * 0.98 + 0.02)
        for group in optimizer.param_groups:
            group["lr"] = rate
        hard = 0.0 if share < 0.08 else 0.5
        positions: Tensor | None
        if share < args.mosaics_from:
            pixels, labels, positions = sampler.batch(args.batch, hard, WINDOW)
        elif share < args.tiles_from:
            pixels, labels, positions = sampler.mosaics(args.batch // 6, hard)
        else:
            pixels, labels, positions = sampler.batch(args.batch // 6, hard, TILE_GRID)
        ids, mask, match = phrases.draw(30)
        attention = [SDPBackend.MATH] if share < args.mosaics_from else [SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bfloat16), sdpa_kernel(attention, set_priority=True):
            text = similarity.text_vectors(ids, mask)
            features = model.features(normalise(pixels), positions)
        features, text = features.float(), text.float()
        loss, numbers, _ = dense_loss(model, heads, features, labels, text, match)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        step += 1
        for name, value in numbers.items():
            average[name] = 0.97 * average.get(name, value) + 0.03 * value
        if step % 50 == 0:
            shown = " ".join(f"{name} {value:.3f}" for name, value in average.items())
            logger.info(
                "%d %.0f s hard %d worlds %d %s",
                step,
                time.time() - begin,
                len(sampler.hard),
                len(sampler.seeds),
                shown,
            )
        if step % 100 == 0 and share > 0.06:
            ids, mask, match = phrases.draw(60)
            with torch.no_grad():
                text = similarity.text_vectors(ids, mask)
            with torch.autocast("cpu", torch.bfloat16, enabled=args.bfloat16):
                sampler.add_hard(mine(model, sampler, text, match, args.mined, rng))
        if step % 200 == 0:
            sampler.refresh()
            phrases.refresh(sampler.worlds)
        if step % 500 == 0 or step == args.steps:
            save_state(args.out, whole, optimizer, step)


def load_weights(model: Network, path: Path) -> None:
    """Weights of a pre-training run (a file; its heads are left out) or of a shipped model (its folder), which may be
    older than the prior."""
    if path.is_dir():
        tensors = loading.load(str(path), torch.device("cpu"), torch.float32).network.state_dict()
    else:
        tensors = {name[6:]: value for name, value in load_file(path).items() if name.startswith("model.")}
    model.load_state_dict({"prior": model.prior} | tensors)


def network_from(path: Path, vocabulary: int, pad: int, end: int) -> Network:
    """The network whose weights a folder or a run's file holds, with the tower that they are of."""
    if path.is_dir():
        return loading.load(str(path), torch.device("cpu"), torch.float32).network
    with safe_open(path, "pt") as file:
        names = list(file.keys())
        shapes = {name.removeprefix("model."): file.get_slice(name).get_shape() for name in names}
    model = Network(config_of(shapes, vocabulary, pad, end))
    load_weights(model, path)
    return model


def opened(weights: Path, tokenizer: Path) -> tuple[Network, TextCodec]:
    """The network of `network_from`, in evaluation mode, and the codec of the tokenizer in a folder."""
    words = loading.tokenizer_of(tokenizer)
    codec = TextCodec(words, POINT_BINS)
    return network_from(weights, len(words), words.pad_token_id, codec.end).eval(), codec


if __name__ == "__main__":
    main()
