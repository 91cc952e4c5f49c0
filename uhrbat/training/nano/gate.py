"""Is the dense pre-training good enough for stage two? Measured on development worlds, never on evaluation ones.

For every question with evidence: whether the best-scored token of the two finest scales lies on a referent, and, by
object size, whether a referent has a token among the released budget's best at each scale.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from uhrbat.budget import RELEASED_BUDGETS
from uhrbat.geometry import SCALES
from uhrbat.network.model import Network
from uhrbat.network.text import TextCodec
from uhrbat.training.nano.pool import PoolWorld, write_world
from uhrbat.training.nano.pretrain import encode_texts, opened
from uhrbat.training.nano.tokens import encode
from uhrbat.worlds import DEVELOPMENT_SEEDS, KINDS, generate, questions

SIZES = ((0, 8), (8, 16), (16, 32), (32, 100))


@torch.inference_mode()
def measure(model: Network, codec: TextCodec, count: int) -> dict:
    best_on, recall = defaultdict(list), defaultdict(list)
    for seed in tqdm(range(DEVELOPMENT_SEEDS.start, DEVELOPMENT_SEEDS.start + count), desc="gate"):
        with tempfile.TemporaryDirectory() as folder:
            write_world(Path(folder), seed, dense=False)
            pooled = PoolWorld(Path(folder), seed)
            features = encode(model, pooled)
            visual = [model.similarity_vectors(torch.from_numpy(features[size]).float()) for size in SCALES]
            owners = [pooled.labels[size].owner.reshape(-1) for size in SCALES]
        world = generate(seed)
        asked = [question for question in questions(world, seed, 20) if question.evidence]
        texts = [question.text for question in asked]
        similarity = model.dense_similarity()
        vectors = similarity.text_vectors(*encode_texts(codec, texts, similarity.max_text_tokens))
        scores = [(v.flatten(0, 1) @ vectors.T).numpy() for v in visual]
        for index, question in enumerate(asked):
            fine = [(scores[level][:, index].max(), level, scores[level][:, index].argmax()) for level in (2, 3)]
            _, level, token = max(fine)
            kind = KINDS[pooled.objects[question.evidence[0]]["kind"]]
            best_on[kind].append(owners[level][token] in question.evidence)
            for level, size in enumerate(SCALES):
                top = np.argpartition(-scores[level][:, index], RELEASED_BUDGETS[size])[: RELEASED_BUDGETS[size]]
                for item in question.evidence:
                    bin_ = next(f"{a}-{b}" for a, b in SIZES if a < world.objects[item].size <= b)
                    recall[f"{size}/{bin_}"].append(bool((owners[level][top] == item).any()))
    mean = {name: round(float(np.mean(values)), 3) for name, values in sorted(best_on.items())}
    return {
        "best token on a referent": round(float(np.mean(list(chain.from_iterable(best_on.values())))), 3),
        "by kind": mean,
        "recall at the released budget": {n: round(float(np.mean(v)), 3) for n, v in sorted(recall.items())},
        "questions": sum(map(len, best_on.values())),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokenizer", type=Path, default=Path("runs/tokenizer"))
    parser.add_argument("--weights", type=Path, default=Path("runs/pretrain/model.safetensors"))
    parser.add_argument("--worlds", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model, codec = opened(args.weights, args.tokenizer)
    print(json.dumps(measure(model, codec, args.worlds), indent=1))


if __name__ == "__main__":
    main()
