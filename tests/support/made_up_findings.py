"""Findings with made-up numbers in the real layout, for tests of the page and for looking at it."""

import math
from dataclasses import replace
from itertools import product
from pathlib import Path

from uhrbat.evaluation import findings
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
    reply = "Cut by the budget: the tokens before it use it up. A total budget of 700 would preserve it."
    misses = [
        findings.Miss(
            SEED, [1] * (n % 3 == 2), f"How many red cars can you see in part {n} of the image?", "count",
            (256, 1000)[n % 2], box, [box], "red car", 5.5, "two", "two", "one", causes[n % 4].cause, reply, "two", n % 2 == 0,
        )
        for n in range(30)
    ]  # fmt: skip
    photographs = findings.Photographs(
        4, 60, 1200,
        [findings.PhotographPoint("similarity", "max", k, g, 0.8, 0.75, 0.85, 300)
         for k, g in product(BUDGETS, ("all", "size: <= 8"))],
        [findings.CauseCount(256, "too small", 3, 0)],
    )  # fmt: skip
    return findings.LossFile(_MEASURED, 600, 16000, [256, 1000], counts, causes, misses, photographs, "")


if __name__ == "__main__":
    import sys

    write(Path(sys.argv[1]))
