"""Partition and ranking at the real sizes, beside a plain re-implementation of the released code's k-means.

    python -m tools.bench_selection [--dims 256] [--data noise structured] [--threads 1] [--json FILE]

A script, not a test. Every line is measured in a process of its own, or with --together all in one (then "+ MB" is only
what a line adds to the lines before it); CPU seconds are given as well as wall seconds,
as they change less on a machine that is shared. "spread" is the mean squared distance of a token's features (the
whole ones) to the mean of its region, relative to the plain algorithm's: 1 is as good.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import torch

from uhrbat.budget import RELEASED_BUDGETS
from uhrbat.geometry import Scale
from uhrbat.selection.ranking import rank_tokens
from uhrbat.selection.regions import RegionSettings, partition, tile_coordinates, token_features

# Issue F, item 3: the released code's selection on this kind of machine, one thread, size 256, idle otherwise.
RELEASED_SECONDS = {672: 0.07, 1344: 0.84, 2688: 4.5, 4032: 20.3}
# plain: the released algorithm as described, below; exact, released: `RegionSettings.released` with and without the
# shortlist; reduced: released in 64 principal directions; whole: our default's regions without reduction or sample.
VARIANTS = ("plain", "exact", "released", "reduced", "whole", "default")


@cache
def noise(scale: Scale, dims: int) -> torch.Tensor:
    return torch.randn(scale.tokens, dims, generator=torch.Generator().manual_seed(1))


@cache
def structured(scale: Scale, dims: int) -> torch.Tensor:
    """Something like real tokens: smooth fields and land covers over the scene, fewer dimensions than columns."""
    generator = torch.Generator().manual_seed(1)

    def fields(count):
        parts = []
        for i in range(count):
            side = (6, 12, 24, 48, 96)[i % 5]
            field = torch.randn(1, 1, side, side, generator=generator)
            field = torch.nn.functional.interpolate(field, (scale.grid, scale.grid), mode="bicubic")
            parts.append(field.flatten())
        return torch.stack(parts, dim=1)[torch.from_numpy(scale.inverse.copy())]

    def mixed(values, strength):
        mix = torch.randn(values.shape[1], dims, generator=generator) * strength
        return values @ mix

    embeddings = mixed(fields(40), 0.5 * torch.arange(1, 41)[:, None] ** -0.5)
    embeddings += torch.randn(10, dims, generator=generator)[fields(10).argmax(1)]
    embeddings += mixed(torch.randn(scale.tokens, 64, generator=generator), 0.15)
    return embeddings + 0.3 * torch.randn(scale.tokens, dims, generator=generator)


def plain(embeddings: torch.Tensor, scale: Scale, clusters: int) -> torch.Tensor:
    """The released procedure as `docs/released-code.md` describes it: full distances, argmin, means."""
    features = token_features(embeddings, tile_coordinates(scale))
    generator = torch.Generator().manual_seed(0)
    centres = features[torch.randperm(len(features), generator=generator)[:clusters]]
    for _ in range(10):
        labels = torch.cdist(features, centres).argmin(1)
        sizes = torch.bincount(labels, minlength=clusters)
        total = torch.zeros_like(centres).index_add_(0, labels, features)
        moved = torch.where(sizes[:, None] > 0, total / sizes.clamp(min=1)[:, None], centres)
        if torch.allclose(moved, centres):
            break
        centres = moved
    return labels


def regions(variant: str, embeddings: torch.Tensor, scale: Scale) -> torch.Tensor:
    clusters = RELEASED_BUDGETS[scale.size]
    if variant == "plain":
        return plain(embeddings, scale, clusters)
    released = RegionSettings.released(clusters)
    settings = {
        "exact": RegionSettings(**{**vars(released), "exact": True}),
        "released": released,
        "reduced": RegionSettings(**{**vars(released), "dims": 64}),
        "whole": RegionSettings(dims=None, sample=None, exact=True),
        "default": RegionSettings(),
    }
    return partition(embeddings, scale, settings[variant])


def spread(features: torch.Tensor, labels: torch.Tensor) -> float:
    total = torch.zeros(int(labels.max()) + 1, features.shape[1]).index_add_(0, labels, features)
    means = total / torch.bincount(labels).clamp(min=1)[:, None]
    parts = range(0, len(features), 8192)
    return sum(float((features[i : i + 8192] - means[labels[i : i + 8192]]).square().sum()) for i in parts)


def measure(variant: str, size: int, dims: int, data: str, threads: int, labels_file: str) -> dict:
    """One variant on one scale, in this process."""
    torch.set_num_threads(threads)
    scale = Scale(size)
    embeddings = globals()[data](scale, dims)
    importance = torch.rand(scale.tokens, generator=torch.Generator().manual_seed(2))
    rank_tokens(importance[:100], torch.arange(100))
    regions("default", embeddings[:2304], Scale(672))
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    labels = regions(variant, embeddings, scale)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rank_cpu = time.process_time()
    rank_tokens(importance, labels).select(RELEASED_BUDGETS[size])
    rank_cpu = time.process_time() - rank_cpu
    torch.save(labels, labels_file)
    return {
        "size": size,
        "variant": variant,
        "clusters": int(labels.max()) + 1,
        "wall": wall,
        "cpu": cpu,
        "ranking": rank_cpu,
        "added_mb": (peak - held) / 1024,
        "peak_mb": peak / 1024,
        "spread": spread(token_features(embeddings, tile_coordinates(scale)), labels),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dims", type=int, default=256)
    parser.add_argument("--data", nargs="+", choices=("noise", "structured"), default=["noise", "structured"])
    parser.add_argument("--scales", nargs="+", type=int, default=list(RELEASED_BUDGETS))
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--together", action="store_true", help="all variants in this process, side by side")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", nargs=4, metavar=("VARIANT", "SIZE", "DATA", "LABELS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        variant, size, data, labels_file = options.one
        print(json.dumps(measure(variant, int(size), options.dims, data, options.threads, labels_file)))
        return
    results = []
    for data in options.data:
        print(f"\n{data}, embedding size {options.dims}, {options.threads} thread(s)\n")
        print("| scale | variant | regions | cpu s | wall s | x plain | other labels | spread | ranking ms | + MB |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
        for size in options.scales:
            base, base_labels = None, None
            for variant in options.variants:
                labels_file = str(Path(tempfile.gettempdir()) / f"bench_selection_{size}_{variant}.pt")
                settings = ["--dims", str(options.dims), "--threads", str(options.threads)]
                if options.together:
                    row = measure(variant, size, options.dims, data, options.threads, labels_file)
                else:
                    output = subprocess.run(
                        [
                            sys.executable,
                            "-m",
                            "tools.bench_selection",
                            *settings,
                            "--one",
                            variant,
                            str(size),
                            data,
                            labels_file,
                        ],
                        capture_output=True,
                        check=True,
                    ).stdout
                    row = json.loads(output.splitlines()[-1])
                row |= {"data": data, "dims": options.dims}
                labels = torch.load(labels_file)
                Path(labels_file).unlink()
                if variant == "plain":
                    base, base_labels = row, labels
                results.append(row)
                quicker = f"{base['cpu'] / row['cpu']:.1f}" if base else "-"
                same = base is not None and variant in ("exact", "released")
                other = f"{100 * float((labels != base_labels).float().mean()):.2f} %" if same else "-"
                relative = f"{row['spread'] / base['spread']:.4f}" if base else "-"
                print(
                    f"| {size} | {variant} | {row['clusters']} | {row['cpu']:.2f} | {row['wall']:.2f} | {quicker} "
                    f"| {other} | {relative} | {1000 * row['ranking']:.1f} | {row['added_mb']:.0f} |",
                    flush=True,
                )
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
