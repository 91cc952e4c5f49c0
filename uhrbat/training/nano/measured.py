"""Write what was measured of nano into its configuration, as the sentences that stand beside its answers.

    python -m uhrbat.training.nano.measured --real runs/real.json --frontier assets/findings/frontier.json

Each file is read where it is given: the report of `uhrbat evaluate real` and that of `uhrbat evaluate frontier`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from uhrbat.checkpoints.loading import NANO
from uhrbat.data.kinds import plural
from uhrbat.evaluation.findings import RealFigures, read_frontier, read_real
from uhrbat.evaluation.markdown import percent
from uhrbat.worlds import KINDS

BUDGET, SIZE = 3000, "9-60"
DEFAULT, RELEASED = "similarity-kmeans-max", "attention-kmeans-mean"
UNMEASURED = {
    "color": "Colors of real objects were not measured.",
    "absolute position": "Positions in real pictures were not measured.",
    "relative position": "Directions in real pictures were not measured.",
    "land cover": "Land cover of real pictures was not measured.",
}


def of_real(found: RealFigures) -> dict[str, str]:
    """{kind of object or type of question: what was measured on real pictures}."""
    out = dict(UNMEASURED)
    questions = {a.kind: a.questions for a in found.accuracy}
    for kind in KINDS:
        kept = [e for e in found.evidence if (e.kind, e.size, e.budget) == (kind, SIZE, BUDGET)]
        asked = {a.asked: a.value for a in found.accuracy if a.kind == kind}
        if not kept or not asked:
            out[kind] = f"{plural(kind).capitalize()} in real pictures were not measured."
            continue
        kept_share, shown = f"{kept[0].value:.0%} of {kept[0].objects} {plural(kind)}", questions[kind]
        out[kind] = (
            f"Measured on real pictures, scored by similarity: {kept_share} of 9 to 60 px are kept at {BUDGET:,} "
            f"tokens; in {shown} pictures {asked['presence']:.0%} of answers whether there is one and "
            f"{asked['count']:.0%} of counts up to six are right."
        )
    return out


def of_generated(path: Path) -> dict[str, str]:
    """{type of question: how often it was answered right on generated worlds, by default and scored by attention}."""
    shares: dict[str, dict[str, float]] = {method: {} for method in (DEFAULT, RELEASED)}
    for point in read_frontier(path).points:
        kind = point.group.removeprefix("type: ")
        if point.method in shares and (point.budget, point.measure) == (BUDGET, "accuracy") and kind != point.group:
            shares[point.method][kind] = point.value
    return {
        kind: f"Measured on generated worlds at {BUDGET:,} tokens: {percent(share)}% of such questions are answered "
        f"right, and {percent(shares[RELEASED][kind])}% where tokens are scored by attention."
        for kind, share in shares[DEFAULT].items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=NANO)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--frontier", type=Path)
    args = parser.parse_args()
    path = args.model / "config.json"
    config = json.loads(path.read_text())
    measured = config["extra"].setdefault("measured", {})
    if args.real:
        measured["real"] = of_real(read_real(args.real).now)
    if args.frontier:
        measured["generated"] = of_generated(args.frontier)
    path.write_text(json.dumps(config, indent=1))


if __name__ == "__main__":
    main()
