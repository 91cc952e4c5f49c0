"""Train nano's vision tower and text tower on generated worlds and real pictures together.

Every token of a window is compared with texts: it should match those that name what it shows and no others (focal loss
on the scaled cosine). Of a real picture only what is known of it is taught: its boxed kinds, the kinds its class surely
does not hold, and that some of a class's tokens show what the class is of (multiple-instance learning). Small heads
keep kind, colour, middle and land cover readable in the features; they are not shipped.

    python -m uhrbat.training.nano.tower --data DATA/real --backbone EFFICIENTNET.pth --steps 4000

Run it again with the same --out to resume; with more steps it goes on.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from uhrbat.checkpoints import loading
from uhrbat.data.kinds import TOWER_KINDS
from uhrbat.data.real import OWN_BOXES, bare_pictures, read_pictures, training
from uhrbat.errors import InputError
from uhrbat.geometry import TILE_GRID
from uhrbat.network.efficientnet import EfficientNetConfig, EfficientNetTower, folded
from uhrbat.network.text import TextCodec
from uhrbat.network.towers import DenseSimilarity
from uhrbat.training.finetune.state import load_state, save_state
from uhrbat.training.nano.config import POINT_BINS, PUBLISHED_MEAN, PUBLISHED_STD, VISION
from uhrbat.training.nano.lookalikes import LookalikeWindows
from uhrbat.training.nano.pastes import Paster
from uhrbat.training.nano.phrases import Phrases, PhraseSampler
from uhrbat.training.nano.windows import NO_COLOR, Bag, RealWindows, Window
from uhrbat.training.nano.worlds import Place, WorldWindows
from uhrbat.worlds import LAND_COVERS

SHOWN_WEIGHT, NOT_WEIGHT, CENTER_WEIGHT, BAG_WEIGHT = 0.6, 0.25, 0.6, 0.15
AVERAGED = 0.998
"""How much of the averaged weights stays a step; they are what is measured and shipped."""
SAVED = 100
"""Steps between two states on disk."""
MISTAKEN = 0.35
logger = logging.getLogger(__name__)


class Matcher(nn.Module):
    """The tower, the text tower and the readable heads: what is trained here."""

    def __init__(self, text: dict, projection_dim: int) -> None:
        super().__init__()
        self.vision = EfficientNetTower(EfficientNetConfig(**VISION))
        width = self.vision.config.hidden_size
        self.similarity = DenseSimilarity(text, width, projection_dim)
        self.heads = nn.Linear(width, len(TOWER_KINDS) + NO_COLOR + 1 + len(LAND_COVERS))

    def match(self, features: Tensor, text: Tensor) -> Tensor:
        """Features float[b, t, width], unit vectors float[n, p] -> logits float[b, t, n]."""
        visual = self.similarity.visual_vectors(self.vision.post_layernorm(features))
        return self.similarity.logits(visual.flatten(0, 1), text).view(*features.shape[:2], -1)

    def read(self, features: Tensor) -> tuple[Tensor, ...]:
        """Logits of kind, colour, middle and land cover a token."""
        sizes = (len(TOWER_KINDS), NO_COLOR, 1, len(LAND_COVERS))
        return self.heads(self.vision.post_layernorm(features)).split(sizes, -1)


@dataclass(frozen=True)
class Batch:
    """Windows as tensors: pixels float[b, 3, 336, 336], state int8[b, kinds, 576], color, land int64[b, 576],
    center bool[b, 576], bags a window."""

    pixels: Tensor
    state: Tensor
    color: Tensor
    center: Tensor
    land: Tensor
    bags: list[tuple[Bag, ...]]


def batch_of(windows: Sequence[Window]) -> Batch:
    def stacked(name: str) -> Tensor:
        return torch.from_numpy(np.stack([np.ascontiguousarray(getattr(window, name)) for window in windows]))

    state = stacked("state").flatten(2)
    color, land = (stacked(name).long().flatten(1) for name in ("color", "land"))
    bags = [window.bags for window in windows]
    return Batch(normalised(stacked("pixels")), state, color, stacked("center").flatten(1), land, bags)


def normalised(pixels: Tensor) -> Tensor:
    """uint8[b, h, w, 3] -> float[b, 3, h, w] as the tower takes it."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (PUBLISHED_MEAN, PUBLISHED_STD))
    return (pixels.permute(0, 3, 1, 2).float() / 255 - mean) / std


def matching_loss(logits: Tensor, batch: Batch, phrases: Phrases) -> Tensor:
    """Focal loss of every token with every text where the answer is known; middles count double."""
    shown, known = phrases.truth(batch.state, batch.color)
    target = shown.float()
    weight = torch.where(shown, SHOWN_WEIGHT, NOT_WEIGHT) + CENTER_WEIGHT * target * batch.center[..., None]
    cross = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    focal = cross * (1 - torch.exp(-cross)) ** 2 * weight * known
    return focal.sum() / (target.sum() + 8)


def bag_loss(logits: Tensor, batch: Batch, phrases: Phrases) -> Tensor:
    """How far the best tokens of each bag are from matching the texts that name its kind alone."""
    squares = logits.unflatten(1, (TILE_GRID, TILE_GRID))
    parts = []
    for index, bags in enumerate(batch.bags):
        for bag in bags:
            texts = phrases.of_kind(bag.kind)
            scores = squares[index, bag.rows, bag.columns][..., texts].flatten(0, 1)
            best = scores.topk(max(2, int(bag.share * len(scores))), 0).values
            parts.append(F.softplus(-best).mean())
    return torch.stack(parts).mean() if parts else logits.sum() * 0


def reading_loss(model: Matcher, features: Tensor, batch: Batch) -> Tensor:
    """Cross entropy of the readable heads where kind, colour, middle and land cover are known."""
    kinds, colors, centers, land = model.read(features)
    one = (batch.state == 1).sum(1) == 1
    loss = F.cross_entropy(land.flatten(0, 1), batch.land.flatten(), ignore_index=-1) * 0.1
    if not (batch.land >= 0).any():
        loss = land.sum() * 0
    if one.any():
        loss = loss + 0.25 * F.cross_entropy(kinds[one], (batch.state == 1).float().argmax(1)[one])
        loss = loss + 0.3 * F.binary_cross_entropy_with_logits(centers[one][:, 0], batch.center[one].float())
    hued = one & (batch.color < NO_COLOR)
    if hued.any():
        loss = loss + 0.3 * F.cross_entropy(colors[hued], batch.color[hued])
    return loss


@torch.no_grad()
def mistakes(model: Matcher, worlds: WorldWindows, phrases: Phrases, tiles: int) -> list[Place]:
    """The most wrongly matched tokens of `tiles` tiles of worlds."""
    found: list[Place] = []
    text = model.similarity.text_vectors(phrases.ids, phrases.mask)
    for _ in range(tiles // 4):
        drawn = [worlds.tile() for _ in range(4)]
        batch = batch_of([window for _, window in drawn])
        chance = model.match(model.vision.features(batch.pixels), text).sigmoid()
        shown, known = phrases.truth(batch.state, batch.color)
        wrong = (torch.where(shown, 1 - chance, chance) * known).amax(-1)
        values, places = wrong.topk(3)
        for (place, _), scores, tokens in zip(drawn, values.tolist(), places.tolist()):
            seed, size, row, column = place
            for score, token in zip(scores, tokens):
                if score > MISTAKEN:
                    found.append((seed, size, row + token // TILE_GRID, column + token % TILE_GRID))
    return found


def parameter_groups(model: Matcher, backbone: float, head: float, text: float) -> list[dict]:
    """Groups with their full rate. A pre-trained convolution's rate is relative to its weights' size, since folding
    the batch norms into them left them of very different sizes."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, value in model.named_parameters():
        if name.startswith(("vision.stem.", "vision.blocks.")):
            rate, decay = backbone * max(float(value.detach().square().mean().sqrt()), 1e-3), 0.0
        elif name.startswith(("similarity.text_", "similarity.logit")):
            rate, decay = text, 0.0
        else:
            rate, decay = head, 0.03 if value.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(value)
    return [
        {"params": values, "lr": rate, "full": rate, "weight_decay": decay} for (rate, decay), values in groups.items()
    ]


def rate_share(step: int, steps: int, warm: int = 150, falls: float = 0.3) -> float:
    """Share of the full rate: rises over `warm` steps, is constant, falls over the last `falls` of all steps."""
    left = (steps - step) / max(1.0, falls * steps)
    return min(1.0, (step + 1) / warm, 0.02 + 0.98 * left)


def begin(backbone: Path | None, initial: Path, weights: Path | None = None) -> Matcher:
    """A model to train: ImageNet's weights in the backbone, the text tower of the model in the folder `initial`.

    weights: those of a trained tower instead; its heads, which only training needs, begin again.
    """
    nano = loading.load(str(initial), torch.device("cpu"), torch.float32).network
    if nano.config.text is None or nano.similarity is None:
        raise InputError(f"the model in {initial} has no text tower: start from one that has")
    model = Matcher(nano.config.text, nano.config.projection_dim)
    before = nano.similarity.state_dict()
    del before["visual_projection.weight"]
    model.similarity.load_state_dict(before, strict=False)
    if backbone is not None:
        published = torch.load(backbone, map_location="cpu", weights_only=True)
        model.vision.load_state_dict(folded(published), strict=False)
    if weights is not None:
        left = model.load_state_dict({name: value.float() for name, value in load_file(weights).items()}, strict=False)
        if left.unexpected_keys or any(not name.startswith("heads.") for name in left.missing_keys):
            raise InputError(f"{weights} holds no tower of this layout")
    return model


def load_average(out: Path, model: nn.Module) -> dict[str, Tensor]:
    """The averaged weights: those kept in `out`, else the model's own."""
    path = out / "average.safetensors"
    return load_file(path) if path.exists() else {n: v.detach().clone() for n, v in model.state_dict().items()}


@dataclass(frozen=True)
class Sources:
    """What windows and texts are drawn from; paster: None to paste nothing; lookalikes: None to draw none."""

    worlds: WorldWindows
    real: RealWindows
    paster: Paster | None
    texts: PhraseSampler
    lookalikes: LookalikeWindows | None = None

    def draw(self, worlds: int, real: int, lookalikes: int) -> dict[str, list[Window]]:
        """Windows by where they come from, some with objects of the other sort pasted into them."""
        drawn = {
            "worlds": [self.pasted(self.worlds.draw(), False) for _ in range(worlds)],
            "real": [self.pasted(self.real.draw(), True) for _ in range(real)],
            "lookalikes": [self.lookalikes.draw() for _ in range(lookalikes)] if self.lookalikes else [],
        }
        return {name: windows for name, windows in drawn.items() if windows}

    def pasted(self, window: Window, is_real: bool) -> Window:
        """A window, in some with something pasted.

        One real window in six has generated objects, one in ten real ones, one in eight branches and stones; one world
        in five has real objects.
        """
        luck = self.worlds.rng.random()
        if self.paster is None or luck >= 0.38:
            return window
        if not is_real:
            return self.paster.real(window) if luck < 0.2 else window
        if luck < 0.16:
            return self.paster.generated(window)
        return self.paster.real(window) if luck < 0.26 else self.paster.clutter(window)


@dataclass(frozen=True)
class Plan:
    """Where a run is kept, how many steps it has, and how many windows each has: of worlds, of real pictures, and laid
    of lookalikes."""

    out: Path
    steps: int
    worlds: int = 4
    real: int = 6
    lookalikes: int = 0


def train(model: Matcher, optimizer: torch.optim.Optimizer, sources: Sources, step: int, plan: Plan) -> None:
    """Train from `step` to the plan's last, the state written to its folder every SAVED steps."""
    average = load_average(plan.out, model)
    numbers: dict[str, float] = {}
    began = time.time()
    while step < plan.steps:
        for group in optimizer.param_groups:
            group["lr"] = group["full"] * rate_share(step, plan.steps)
        phrases = sources.texts.draw()
        windows = sources.draw(plan.worlds, plan.real, plan.lookalikes)
        drawn = {name: batch_of(some) for name, some in windows.items()}
        losses = losses_of(model, drawn, phrases)
        optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        follow(average, model, min(AVERAGED, step / (step + 20)))
        for name, value in losses.items():
            numbers[name] = 0.97 * numbers.get(name, float(value.detach())) + 0.03 * float(value.detach())
        if step % 50 == 0:
            shown = " ".join(f"{name} {value:.3f}" for name, value in numbers.items())
            logger.info("%d %.0f s mistakes %d %s", step, time.time() - began, len(sources.worlds.mistakes), shown)
        if step % 100 == 0 and plan.worlds:
            sources.worlds.add_mistakes(mistakes(model, sources.worlds, sources.texts.draw(12, 20), 48))
        if step % SAVED == 0 or step == plan.steps:
            save_state(plan.out, model, optimizer, step)
            save_file({n: v.contiguous() for n, v in average.items()}, plan.out / "average.part")
            (plan.out / "average.part").replace(plan.out / "average.safetensors")


def losses_of(model: Matcher, drawn: dict[str, Batch], phrases: Phrases) -> dict[str, Tensor]:
    """Every part of the loss, by name: of each source, matching and reading; of real pictures, the bags too."""
    text = model.similarity.text_vectors(phrases.ids, phrases.mask)
    features = model.vision.features(torch.cat([batch.pixels for batch in drawn.values()]))
    parts = features.split([len(batch.pixels) for batch in drawn.values()])
    out: dict[str, Tensor] = {}
    for (name, batch), own in zip(drawn.items(), parts):
        logits = model.match(own, text)
        out[name] = matching_loss(logits, batch, phrases)
        out[f"{name} read"] = reading_loss(model, own, batch)
        if name == "real":
            out["bags"] = BAG_WEIGHT * bag_loss(logits, batch, phrases)
    return out


@torch.no_grad()
def follow(average: dict[str, Tensor], model: nn.Module, kept: float) -> None:
    """Move averaged weights, in place, towards the model's; kept: how much of them stays."""
    for name, value in model.state_dict().items():
        average[name].lerp_(value, 1 - kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of real pictures (boxes.json, scenes, ..)")
    parser.add_argument("--boxes", type=Path, default=OWN_BOXES, help="the folder of our own boxes")
    parser.add_argument("--bare", type=Path, help="the folder deepforest/data of that package: pictures from near")
    parser.add_argument("--backbone", type=Path, help="the published EfficientNet-Lite0 weights (.pth)")
    parser.add_argument("--weights", type=Path, help="a trained tower's weights (safetensors) to go on from")
    parser.add_argument("--pool", type=Path, default=Path("runs/pool"))
    parser.add_argument("--initial", type=Path, default=loading.NANO, help="tokenizer and text tower to begin with")
    parser.add_argument("--out", type=Path, default=Path("runs/tower"))
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--worlds", type=int, default=4, help="windows of generated worlds a step")
    parser.add_argument("--real", type=int, default=6, help="windows of real pictures a step")
    parser.add_argument("--lookalikes", type=int, default=0, help="windows laid of lookalikes a step")
    parser.add_argument(
        "--mistaken", type=Path, default=Path("runs/lookalikes"), help="the folder that nano.lookalikes made"
    )
    parser.add_argument("--frozen", type=int, default=3, help="first blocks of the backbone that stay as published")
    parser.add_argument("--without", choices=("boxes", "classes", "pastes"), help="leave a source out, to compare")
    parser.add_argument("--rates", type=float, nargs=3, default=(3e-3, 1.2e-3, 3e-4), help="backbone, head, text")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    model = begin(args.backbone, args.initial, args.weights)
    optimizer = torch.optim.AdamW(parameter_groups(model, *args.rates), betas=(0.9, 0.98), fused=True)
    args.out.mkdir(parents=True, exist_ok=True)
    step = load_state(args.out, model, optimizer)
    for part in (model.vision.stem, *model.vision.blocks[: args.frozen]):
        part.requires_grad_(False)
    rng = np.random.default_rng((args.seed, step))
    pictures = training(read_pictures(args.data, args.boxes)) + (bare_pictures(args.bare) if args.bare else [])
    if args.without == "boxes":
        pictures = [replace(picture, boxes={}, unsure={}) for picture in pictures if picture.scene or picture.points]
    worlds = WorldWindows(args.pool, rng)
    real = RealWindows(pictures, rng, bags=args.without != "classes")
    paster = None if args.without == "pastes" else Paster(pictures, rng, real.cache)
    codec = TextCodec(loading.tokenizer_of(args.initial), POINT_BINS)
    texts = PhraseSampler(codec, model.similarity.max_text_tokens, rng, worlds.worlds.values())
    lookalikes = LookalikeWindows(args.mistaken, rng) if args.lookalikes else None
    sources = Sources(worlds, real, paster, texts, lookalikes)
    train(model, optimizer, sources, step, Plan(args.out, args.steps, args.worlds, args.real, args.lookalikes))


if __name__ == "__main__":
    main()
