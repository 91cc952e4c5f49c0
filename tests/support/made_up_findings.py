"""Findings with made-up numbers in the real layout, for tests of the page and for looking at it."""

import math
from dataclasses import replace
from itertools import product
from pathlib import Path

from uhrbat.evaluation import findings
from uhrbat.evaluation.looks.findings import LooksCause, LooksFile, LooksLoss, LooksLossFile, LooksPoint
from uhrbat.worlds import EVALUATION_SEEDS

BUDGETS = [64, 256, 1000, 3000, 16000]
SEED = EVALUATION_SEEDS[3]
GROUPS = ("all", "type: count", "type: relative position", "size: <= 4", "size: 5-8", "size: > 32")
_MEASURED = findings.Measured(
    "nano", 9_600_000, "made-up", {"importance": "similarity", "regions": "kmeans", "order": "max"}, "evaluation",
    EVALUATION_SEEDS.start, 300, 6000,
)  # fmt: skip


def write(folder: Path, box=(1200.0, 1300.0, 1206.0, 1305.0)) -> None:
    """Write all files; the misses lie in one scene, with and without its second object."""
    folder.mkdir(parents=True, exist_ok=True)
    findings.write(folder / "frontier.json", _frontier())
    loss = _loss(list(box))
    findings.write(folder / "loss.json", loss)
    scored = replace(loss.measured, settings=loss.measured.settings | {"importance": "attention"})
    findings.write(folder / "loss_attention.json", replace(loss, measured=scored))
    findings.write(folder / "real.json", real())
    findings.write(folder / "looks.json", _looks())
    findings.write(folder / "looks_loss.json", _looks_loss())


def _frontier() -> findings.FrontierFile:
    ours = [
        findings.Method(f"{i}-{r}", f"{i}, {r}", f"Importance {i}, regions {r}.", "uhrbat", i, r, "max", n == 0)
        for n, (i, r) in enumerate(product(("similarity", "attention", "fused"), ("kmeans", "grid", "none")))
    ]
    others = [
        findings.Method(name, name.replace("_", " "), "A baseline.", "baseline", None, None, None, False)
        for name in ("downsampling", "dense_tiling", "global_topk", "random_tokens", "guided", "keep_all")
    ]
    points = []
    for n, method in enumerate(ours + others):
        for budget, measure, group in product(BUDGETS, ("accuracy", "evidence"), GROUPS):
            value = (0.93 - 0.02 * n) * (1 - math.exp(-budget / (60 + 40 * n))) - 0.05 * (measure == "accuracy")
            points.append(
                findings.Point(method.id, budget, measure, group, value, value - 0.02, min(1, value + 0.02), 900, 300)
            )
    comparisons = [
        findings.Comparison(k, ours[0].id, "global_topk", d, d - 0.02, d + 0.02, 6000)
        for k, d in zip(BUDGETS, (0.08, 0.05, 0.03, 0.01, -0.03), strict=True)
    ]
    recall = [findings.Recall(group, 80, 0.4, 0.35, 0.45, 0.05, 500) for group in ("all", *GROUPS[3:])]
    floors = dict.fromkeys(GROUPS[:3], 0.2)
    return findings.FrontierFile(
        _MEASURED, BUDGETS, BUDGETS, ours + others, points, comparisons,
        [findings.Agreement(3000, 16000, 0.985, 0.98, 0.99, 6000)], recall, floors, floors,
    )  # fmt: skip


def _loss(box: list[float]) -> findings.LossFile:
    counts = [
        findings.LossCount(k, side, 600, 400, 30, 10, 160, 0.07, 0.05, 0.09)
        for k, side in product((256, 1000), ("with", "without", "pair"))
    ]
    causes = [
        findings.CauseCount(k, cause, n, n // 2)
        for k in (256, 1000)
        for n, cause in ((12, "cut by the budget"), (9, "averaged away"), (5, "too small"), (4, findings.MODEL_ITSELF))
    ]
    reply = "The budget is spent on tokens that rank higher. It is kept from 700 tokens."
    misses = [
        findings.Miss(
            SEED, [1] * (n % 3 == 2), f"How many red cars can you see in part {n} of the image?", "count",
            (256, 1000)[n % 2], box, [box], "red car", 5.5, "two", "two", "one", causes[n % 4].cause, reply, "two",
            n % 2 == 0,
        )
        for n in range(30)
    ]  # fmt: skip
    return findings.LossFile(_MEASURED, 600, 16000, [256, 1000], counts, causes, misses)


def real(before: bool = True) -> findings.RealFile:
    """A made-up report on real pictures, with that of another model beside it or without."""
    return findings.RealFile(_real(0.9), _real(0.3, attention=False) if before else None)


def _real(level: float, attention: bool = True) -> findings.RealFigures:
    kinds = ("car", "building", "airplane", "ship", "storage tank", "tennis court", "all kinds")
    sizes = ("<= 8", "9-16", "17-32", "> 32", "9-60", "all")
    spread = {kind: level * (1 - 0.03 * n) for n, kind in enumerate((*kinds, "generated worlds"))}
    precision = [
        findings.Precision(kind, scale, spread[kind], spread[kind] - 0.02, spread[kind] + 0.02, 0.012, 4)
        for kind, scale in product(kinds, (2688, 4032))
    ]
    evidence = [
        findings.Evidence(
            kind, size, budget, value := spread[kind] * (1 - 20 / budget), value - 0.1, min(1, value + 0.1),
            budget / 20_000, budget / 6_000 if attention else None, 40, 10,
        )
        for kind, size, budget in product(spread, sizes, (256, 1024, 3000))
    ]  # fmt: skip
    accuracy = [
        findings.Accuracy(kind, asked, spread[kind] * part, spread[kind] * part - 0.1, spread[kind] * part + 0.05, 14)
        for kind, (asked, part) in product(kinds, (("presence", 1.0), ("count", 0.8), ("count within one", 0.95)))
    ]
    right = {"DJI_0018": ["zero"], "DJI_0035": ["three", "four"]}
    beach = [
        findings.Beach(picture, change, right[picture], "four" if level > 0.5 else "zero")
        for picture, change in product(right, ("as it is", "mirrored", "turned", "darker by a third"))
    ]
    return findings.RealFigures(
        "nano", int(9_600_000 * level), f"made-up {level}", _MEASURED.settings, 121, 168, 4, precision, evidence,
        accuracy, beach,
    )  # fmt: skip


LOOKS = ("0", "64", "256", "all")


def _looks() -> LooksFile:
    points = []
    for n, looks in enumerate(LOOKS):
        for split, budget, measure in product(("paper", "question"), (64, 3000), ("accuracy", "evidence")):
            for group in ("all", "size: 6-8", "size: 9-16", "size: 17-30"):
                value = 0.2 + 0.15 * n + budget / 20_000
                point = (looks, split, budget, measure, group, value, value - 0.05, value + 0.05, 120)
                points.append(LooksPoint(*point))
    return LooksFile(_MEASURED, 16_384, list(LOOKS), points, {"a look": 0.1})


def _looks_loss() -> LooksLossFile:
    losses = [LooksLoss(looks, 3000, 120, 40 + 10 * n, 90, 50 - 10 * n) for n, looks in enumerate(LOOKS[:3])]
    causes = [LooksCause(looks, 3000, "not looked at", 30) for looks in LOOKS[:3]]
    return LooksLossFile(_MEASURED, 16_384, list(LOOKS[:3]), [3000], losses, causes)


if __name__ == "__main__":
    import sys

    write(Path(sys.argv[1]))
