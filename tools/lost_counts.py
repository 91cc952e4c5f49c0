"""Print what k-means loses in counts that a grid gets right, from a finished run of `evaluate frontier`.

    python -m tools.lost_counts --out runs/frontier --cache runs/encoded [--scenes 300] [--budget 3000]

Of the counts that the default gets wrong and `similarity-grid-max` right: how many counted objects have no preserved
token at each scale, and how many answers are right once the evidence is forced in at the same budget. For comparison
the same of counts that both get right, and of counts that both get wrong. First the two methods' accuracies compared,
over all types.
"""

import argparse
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import cast

import torch
from tqdm import tqdm

from uhrbat.answers import same_answer
from uhrbat.choices import PRESERVED
from uhrbat.engine import UHRBAT
from uhrbat.evaluation.encoded import WorldEncoder
from uhrbat.evaluation.frontier.methods import Asked, methods
from uhrbat.evaluation.frontier.run import joined
from uhrbat.evaluation.shares import share
from uhrbat.question import Question
from uhrbat.worlds import questions

GRID = "similarity-grid-max"
GROUPS = {(False, True): "only the grid is right", (True, True): "both right", (False, False): "both wrong"}
MOST = {"both right": 60, "both wrong": 60}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the finished run")
    parser.add_argument("--cache", type=Path, help="its encoded scenes")
    parser.add_argument("--scenes", type=int, default=300)
    parser.add_argument("--budget", type=int, default=3000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = UHRBAT.from_pretrained("nano", "cpu")
    known = {method.id: method for method in methods(model.settings)}
    default = next(method for method in known.values() if method.default)
    lines = [line for path in sorted(options.out.glob("scenes-*.jsonl")) for line in path.read_text().splitlines()]
    scenes = list(joined([json.loads(line) for line in lines]).items())[: options.scenes]
    wanted = (default.id, GRID)
    if not scenes or any(str(options.budget) not in r["answers"].get(name, {}) for _, r in scenes for name in wanted):
        parser.error(
            f"{options.out} lacks answers at {options.budget}: first run python -m uhrbat evaluate frontier --scenes "
            f"{options.scenes} --out {options.out} --methods {','.join(wanted)} --answer-budgets {options.budget}"
        )
    gains, seeds = [], []
    for seed, record in scenes:
        ours, grid = (record["answers"][name][str(options.budget)] for name in wanted)
        for mine, other, (_, truth, _) in zip(ours, grid, record["questions"]):
            gains.append(same_answer(mine, truth) - same_answer(other, truth))
            seeds.append(seed)
    info = share(gains, seeds)
    assert info is not None
    print(f"default less {GRID}, all questions: {info.value:+.4f} ({info.low:+.4f} to {info.high:+.4f})\n", flush=True)
    encoder = WorldEncoder(model, options.cache)
    found: dict[str, Counter] = defaultdict(Counter)
    for seed, record in tqdm(scenes):
        answers = [record["answers"][name][str(options.budget)] for name in wanted]
        chosen = {}
        for index, (kind, truth, smallest) in enumerate(record["questions"]):
            group = GROUPS.get((same_answer(answers[0][index], truth), same_answer(answers[1][index], truth)))
            if kind == "count" and smallest and group and found[group]["questions"] < MOST.get(group, 10**9):
                found[group]["questions"] += 1
                chosen[index] = group
        if not chosen:
            continue
        scene, encoded = encoder.scene(seed)
        asked = questions(scene, seed)
        for index, group in chosen.items():
            boxes = scene.boxes(asked[index])
            query = Asked(encoded, asked[index].text, model.settings)
            views = {name: cast(Question, query.rank(known[name])) for name in wanted}
            for name, view in views.items():
                for size, part in view.select(options.budget).selections.items():
                    for box in boxes:
                        tokens = encoded.square.tokens_in_box(size, box)
                        found[group][name, size] += not bool((part.kind[tokens] == PRESERVED).any())
            found[group]["objects"] += len(boxes)
            forced = views[default.id].select(options.budget, force=boxes).answer()
            found[group]["forced"] += same_answer(str(forced), asked[index].answer)
    sizes = encoded.square.sizes
    heads = " | ".join(f"none at {size}, default / grid" for size in sizes)
    print(f"| counts | questions | right, forced in | objects | {heads} |")
    print("| --- " * (4 + len(sizes)) + "|")
    for group in GROUPS.values():
        count = found[group]
        lost = " | ".join(f"{count[default.id, size]} / {count[GRID, size]}" for size in sizes)
        print(f"| {group} | {count['questions']} | {count['forced']} | {count['objects']} | {lost} |")


if __name__ == "__main__":
    main()
