"""Stage two: nano's projector, residuals, token MLP and language model, on tokens of encoded worlds.

A sample (bank_samples.py) is a sparse world of the bank and a dozen questions at once: image tokens do not see one
another or the text ("self" attention), so one pass over them serves every question (a block mask keeps the questions
apart). Targets list the evidence as location tokens, roughly in reading order, then the answer (docs/training.md).
A second loss pulls the last layer's attention of the last prompt token to the evidence, in some samples over the
coarsest scale alone, so that `attention` importance has a meaning. Run it again with the same --out to resume; under
`python -m torch.distributed.run --nproc-per-node N -m uhrbat.training.nano.decoder` N processes share every step.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import time
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.models.qwen2.modeling_qwen2 import apply_rotary_pos_emb

from uhrbat.checkpoints import loading
from uhrbat.geometry import SCALES
from uhrbat.network.attention import biased, inhibited
from uhrbat.network.model import Network
from uhrbat.network.text import TextCodec
from uhrbat.training.finetune.state import load_state, save_state
from uhrbat.training.nano.bank_samples import Batch, Row, SampleDrawer, collate
from uhrbat.training.nano.config import POINT_BINS
from uhrbat.training.nano.pretrain import network_from

SHARES = {"projector.0": 0.05, "projector.2": 0.2, "token_mlp": 0.2}
COARSE = 0.4
SLIP = 0.25
TRAINED = ("projector.", "token_mlp.", "residuals.", "language.", "prior")
logger = logging.getLogger(__name__)


def residuals_at(model: Network, level: Tensor, xy: Tensor) -> Tensor:
    """The residual maps, laid over the square, sampled at xy (0..1) of each token's scale: float[B, n, hidden]."""
    out = torch.zeros(())
    for index, size in enumerate(SCALES):
        table = model.residuals[str(size)]
        side = math.isqrt(table.shape[1])
        grid = table.reshape(side, side, -1).permute(2, 0, 1)[None].expand(len(xy), -1, -1, -1)
        here = F.grid_sample(grid, xy[:, None] * 2 - 1, align_corners=False, padding_mode="border")
        out = out + here[:, :, 0].transpose(1, 2) * (level == index)[..., None]
    return out


class Neighbours:
    """Soft targets: a word counts as itself, a place also a little as the places beside it.

    ids int[vocabulary, 5] and weights float[vocabulary, 5] of what each label counts as.
    """

    spread = (0.05, 0.2, 0.5, 0.2, 0.05)

    def __init__(self, codec: TextCodec, vocabulary: int) -> None:
        self.ids = torch.arange(vocabulary)[:, None].repeat(1, 5)
        self.weights = torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0]).repeat(vocabulary, 1)
        for axis in (codec.x_ids, codec.y_ids):
            for place, id_ in enumerate(axis):
                near = [min(max(place + step, 0), codec.point_bins - 1) for step in range(-2, 3)]
                self.ids[id_] = torch.tensor([axis[i] for i in near])
                self.weights[id_] = torch.tensor(self.spread)


def image_embeddings(model: Network, batch: Batch) -> Tensor:
    """float[B, n + r, hidden]: tokens, then regions as the averages of their tokens, all with their residuals."""
    count, regions, members = batch.merged.shape[:3]
    tokens = model.project(batch.features) + residuals_at(model, batch.level, batch.xy)
    level = batch.merged_level.repeat_interleave(members, 1)
    parts = model.project(batch.merged.flatten(1, 2)) + residuals_at(model, level, batch.merged_xy.flatten(1, 2))
    return torch.cat([tokens, parts.view(count, regions, members, -1).mean(2)], 1)


def losses(model: Network, batch: Batch, before: list[int], neighbours: Neighbours) -> tuple[Tensor, Tensor, Tensor]:
    """-> (next-token loss on targets, attention loss, share of target tokens predicted)."""
    count = len(batch.ids)
    image = model.token_mlp(image_embeddings(model, batch))
    cache = DynamicCache(config=model.language.config)
    model.run(model.embed(before).expand(count, -1, -1), torch.arange(len(before))[None], cache)
    keys_values = model.image_cache(image, len(before))
    for index, (key, value) in enumerate(keys_values):
        cache.update(key, value, index)
    length = batch.ids.shape[1]
    same = (batch.block[:, :, None] == batch.block[:, None, :]) & (batch.block[:, :, None] >= 0)
    own = (same & torch.ones(length, length, dtype=torch.bool).tril()) | torch.eye(length, dtype=torch.bool)
    seen = F.pad(batch.real, (len(before), 0), value=True)[:, None].expand(-1, length, -1)
    near = near_listed(batch, model.config.inhibition)
    heads = model.language.config.num_attention_heads
    mask = inhibited(torch.cat([seen, own], -1), near, len(before), heads)
    of_sample = torch.arange(count)[:, None]
    bias = model.prior_bias(batch.similarity[of_sample, batch.block.clamp(min=0)])
    if bias is not None:
        mask = biased(mask, bias.transpose(1, 2), len(before))
    position = batch.position + len(before) + 1
    out = model.language.model(
        inputs_embeds=model.language.model.embed_tokens(batch.ids),
        position_ids=position,
        past_key_values=cache,
        attention_mask={"full_attention": mask},
        output_hidden_states=True,
    )
    inputs, output = out.hidden_states, out.last_hidden_state
    wanted = batch.labels >= 0
    logits = model.language.lm_head(output[wanted]).float()
    labels = batch.labels[wanted]
    cross = -(logits.log_softmax(-1).gather(1, neighbours.ids[labels]) * neighbours.weights[labels]).sum(-1)
    weight = batch.weight[wanted]
    answer = (cross * weight).sum() / weight.sum()
    right = (logits.argmax(-1) == labels).float().mean()
    pulled = torch.zeros(())
    for layer, rows in ((-1, batch.asked), (-2, batch.pointing)):
        keys = keys_values[layer][0]
        pulled = pulled + attention_loss(model, batch, layer, inputs[layer - 1], position, keys, rows, near)
    return answer, pulled, right


def near_listed(batch: Batch, reach: float) -> Tensor:
    """bool[B, T, n + r]: the tokens of the objects that a row's question has listed so far, and those within reach of
    their points, which are a little off, as a model's own points are; regions never are."""
    out = torch.zeros(*batch.ids.shape, batch.real.shape[1], dtype=torch.bool)
    for index, hidden in enumerate(out):
        listed = [(row, point, tokens) for sample, row, point, tokens in batch.listed if sample == index]
        if not listed:
            continue
        rows = torch.tensor([row for row, _, _ in listed])
        points = torch.tensor([point for _, point, _ in listed])
        points = points + SLIP * reach * torch.randn(points.shape)
        near = (batch.xy[index][None] - points[:, None]).abs().amax(-1) < reach
        for own, (_, _, tokens) in zip(near, listed):
            own[torch.from_numpy(tokens)] = True
        block = batch.block[index]
        after = (block[:, None] == block[rows]) & (torch.arange(len(block))[:, None] >= rows)
        hidden[:, : near.shape[1]] = after.float() @ near.float() > 0
    return out


def attention_loss(
    model: Network,
    batch: Batch,
    layer: int,
    inputs: Tensor,
    position: Tensor,
    keys: Tensor,
    rows: list[Row],
    near: Tensor,
) -> Tensor:
    """-log of the share of a layer's attention (mean over heads, over image tokens) that falls on each row's tokens.

    near: `near_listed`, what the first half of the heads does not see.
    """
    rows = [row for row in rows if len(row[2])]
    if not rows:
        return inputs.sum() * 0
    sample = torch.tensor([r[0] for r in rows])
    row = torch.tensor([r[1] for r in rows])
    block = model.language.model.layers[layer]
    attention = block.self_attn
    hidden = block.input_layernorm(inputs[sample, row])[:, None]
    query = attention.q_proj(hidden).view(len(rows), 1, -1, attention.head_dim).transpose(1, 2)
    cos, sin = model.language.model.rotary_emb(query, position[sample, row][:, None])
    query, _ = apply_rotary_pos_emb(query, query, cos, sin)
    keys = keys.repeat_interleave(attention.num_key_value_groups, dim=1)
    scores = torch.einsum("rhqd,rhnd->rhqn", query, keys[sample])[:, :, 0] * attention.scaling
    bias = model.prior_bias(batch.similarity[sample, batch.block[sample, row]])
    scores = scores if bias is None else scores + bias
    scores = scores.masked_fill(~batch.real[sample][:, None], -torch.inf)
    half = scores.shape[1] // 2
    seen = scores[:, :half].masked_fill(near[sample, row][:, None], -1e4)
    scores = torch.cat([seen, scores[:, half:]], 1)
    weights = scores.float().softmax(-1).mean(1)
    wanted = torch.zeros_like(weights)
    for index, (_, _, tokens) in enumerate(rows):
        wanted[index, torch.from_numpy(tokens)] = 1
    return -(weights * wanted).sum(-1).clamp(min=1e-6).log().mean()


def initialise(model: Network, drawer: SampleDrawer, codec: TextCodec, generator: torch.Generator) -> None:
    """Start from what is known: the projector from the directions that text was matched with and the features' main
    ones, each of unit variance; low-frequency cosines over the square as positions (docs/training.md), and the same
    cosines as the words for places, so that a place is said as it is seen."""
    language = model.language
    hidden = language.config.hidden_size
    features = torch.from_numpy(np.concatenate([world.features[::7] for world in drawer.order]).astype(np.float32))
    frequency = torch.tensor([0.5, 0.5, 1, 1, 2, 3, 4, 6, 8, 12])[torch.randint(10, (hidden,), generator=generator)]
    phase = torch.rand(hidden, generator=generator) * 2 * math.pi
    along_x = torch.arange(hidden) % 2 == 0

    def waves(x: Tensor, y: Tensor) -> Tensor:
        along = torch.where(along_x, x[..., None], y[..., None])
        return torch.cos(2 * math.pi * frequency * along + phase)

    with torch.no_grad():
        start_projector(model, features, generator)
        for size in SCALES:
            table = model.residuals[str(size)]
            side = math.isqrt(table.shape[1])
            places = (torch.arange(side) + 0.5) / side
            y, x = torch.meshgrid(places, places, indexing="ij")
            offset = 0.1 * torch.randn(hidden, generator=generator)
            table.copy_((waves(x, y) + offset).reshape(1, side * side, hidden))
        for name, value in language.named_parameters():
            if value.ndim == 2:
                out = name.endswith(("o_proj.weight", "down_proj.weight"))
                nn.init.normal_(value, std=0.02 if out else 0.05, generator=generator)
        words = language.model.embed_tokens.weight
        nn.init.normal_(words, std=0.3, generator=generator)
        bins = (torch.arange(codec.point_bins) + 0.5) / codec.point_bins
        for ids, own in ((codec.x_ids, along_x), (codec.y_ids, ~along_x)):
            words[ids] = 0.5 * waves(bins, bins) * own + 0.1 * torch.randn(hidden, generator=generator)
            language.lm_head.weight[ids] = 0.25 * waves(bins, bins) * own
        start_token_mlp(cast(nn.Sequential, model.token_mlp))


def start_projector(model: Network, features: Tensor, generator: torch.Generator) -> None:
    """First layer: as many of the text-matched directions as there are, then principal ones; second: orthogonal."""
    first, last = cast(nn.Linear, model.projector[0]), cast(nn.Linear, model.projector[2])
    mean = features.mean(0)
    matched = model.dense_similarity().visual_projection.weight * model.get_parameter("vision.post_layernorm.weight")
    matched = matched - matched.mean(1, keepdim=True)
    _, vectors = torch.linalg.eigh(torch.cov((features - mean).T))
    rows = torch.cat([matched, vectors.flip(1).T])[: first.out_features]
    rows = rows / ((features - mean) @ rows.T).std(0)[:, None].clamp(min=1e-3)
    first.weight.copy_(rows)
    first.bias.copy_(-rows @ mean)
    nn.init.orthogonal_(last.weight, generator=generator)
    last.weight.mul_(0.5)
    last.bias.zero_()


def start_token_mlp(layers: nn.Sequential) -> None:
    """Nearly the identity: the values are moved to where GELU is straight, and back."""
    first, last = cast(nn.Linear, layers[0]), cast(nn.Linear, layers[2])
    for layer, slope in ((first, 0.5), (last, 2.0)):
        nn.init.eye_(layer.weight)
        layer.weight.mul_(slope)
    first.bias.fill_(2.0)
    last.bias.fill_(-4.0)


def parameter_groups(trained: dict[str, nn.Parameter]) -> list[dict]:
    """Weight decay for matrices; a share of the rate for what lies between the features and the language model. The
    layer that reads the features, whose values are large, outgrows the positions at the full rate, and no place is
    ever learnt; the token MLP, which has no way around it, outgrows all else, and colours are lost in it."""

    def place(name: str, value: Tensor) -> tuple[float, float]:
        plain = value.ndim != 2 or "embed" in name
        return next((share for part, share in SHARES.items() if name.startswith(part)), 1.0), (0.0 if plain else 0.03)

    kinds = sorted({place(name, value) for name, value in trained.items()})
    return [
        {
            "params": [value for name, value in trained.items() if place(name, value) == kind],
            "share": kind[0],
            "weight_decay": kind[1],
        }
        for kind in kinds
    ]


def size_at(share: float, largest: int | None, rng: np.random.Generator) -> int:
    """Image tokens of a step: the largest, if not given, grows as training goes on; small sizes stay in the mix."""
    if largest is None:
        largest = 128 if share < 0.4 else 400 if share < 0.65 else 1000 if share < 0.8 else 2400
    return int(np.exp(rng.uniform(np.log(48), np.log(largest))))


def share_gradients(parameters: list[nn.Parameter]) -> None:
    """The mean over all processes of every gradient."""
    if not dist.is_initialized():
        return
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for parameter, part in zip(parameters, flat.split([p.numel() for p in parameters])):
        parameter.grad = part.view_as(parameter)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bank", type=Path, default=Path("runs/bank"))
    parser.add_argument("--tokenizer", type=Path, default=Path("runs/tokenizer"))
    parser.add_argument("--weights", type=Path, default=Path("runs/pretrain/model.safetensors"))
    parser.add_argument("--warm", action="store_true", help="go on from the decoder that the weights hold")
    parser.add_argument("--out", type=Path, default=Path("runs/decoder"))
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--text-tokens", type=int, default=900, help="image and text tokens a step, about")
    parser.add_argument("--largest", type=int, help="most image tokens of a step; without it they grow with training")
    parser.add_argument("--attention", type=float, default=0.3, help="weight of the attention loss")
    parser.add_argument("--bfloat16", action="store_true", help="for processors with AMX: several times faster")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    rank = 0
    if "WORLD_SIZE" in os.environ:
        dist.init_process_group("gloo")
        rank = dist.get_rank()
    rng = np.random.default_rng(args.seed)
    tokenizer = loading.tokenizer_of(args.tokenizer)
    codec = TextCodec(tokenizer, POINT_BINS)
    model = network_from(args.weights, len(tokenizer), tokenizer.pad_token_id, codec.end)
    drawer = SampleDrawer(args.bank, model, codec, rng)
    if not args.warm:
        initialise(model, drawer, codec, torch.Generator().manual_seed(args.seed))
    trained = {name: value for name, value in model.named_parameters() if name.startswith(TRAINED)}
    for name, value in model.named_parameters():
        value.requires_grad_(name in trained)
    groups = parameter_groups(trained)
    optimizer = torch.optim.AdamW(groups, lr=args.rate, betas=(0.9, 0.97), fused=True)
    before = codec.prompt("x").before
    neighbours = Neighbours(codec, len(tokenizer))
    args.out.mkdir(parents=True, exist_ok=True)
    step = load_state(args.out, model, optimizer)
    rng = drawer.rng = np.random.default_rng((args.seed, step, rank))
    begin, asked = time.time(), 0
    average: dict[str, float] = {}
    while step < args.steps:
        share = step / args.steps
        rate = args.rate * min(1.0, (step + 1) / 100) * min(1.0, max(0.02, (1 - share) / 0.4))
        for group in optimizer.param_groups:
            group["lr"] = rate * group["share"]
        size = size_at(share, args.largest, rng)
        samples = [drawer.draw(size) for _ in range(max(1, round(args.text_tokens / (size + 350))))]
        coarse = drawer.draw(max(size, 400), coarse=True) if rng.random() < COARSE else drawer.blind()
        batch = collate([*samples, coarse, drawer.blind()], codec)
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bfloat16):
            answer, pulled, right = losses(model, batch, before, neighbours)
        optimizer.zero_grad(set_to_none=True)
        (answer + args.attention * pulled).backward()
        share_gradients(list(trained.values()))
        nn.utils.clip_grad_norm_(list(trained.values()), 1.0)
        optimizer.step()
        step += 1
        asked += sum(len(sample.questions) for sample in samples)
        for name, number in (("answer", answer), ("attention", pulled), ("right", right)):
            average[name] = 0.97 * average.get(name, float(number.detach())) + 0.03 * float(number.detach())
        if step % 100 == 0 and rank == 0:
            shown = " ".join(f"{name} {value:.3f}" for name, value in average.items())
            logger.info("%d %.0f s questions %d %s", step, time.time() - begin, asked, shown)
        if rank == 0 and (step % 500 == 0 or step == args.steps):
            save_state(args.out, model, optimizer, step)
        if step % 500 == 0:
            drawer.refresh()


if __name__ == "__main__":
    main()
