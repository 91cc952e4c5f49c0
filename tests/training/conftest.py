import json

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def data(tmp_path):
    """Three pictures and a conversation about each, as `--data` takes them."""
    for index in range(3):
        pixels = np.random.default_rng(index).integers(0, 255, (50, 70, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    records = [
        {
            "id": index, "image": f"{index}.png", "conversations": [
                {"from": "human", "value": f"<image>\nWhat is number {index}?"}, {"from": "gpt", "value": answer},
                *([{"from": "human", "value": "Sure?"}, {"from": "gpt", "value": "yes"}] if index == 2 else []),
            ],
        }
        for index, answer in enumerate(("a red ship", "two cars", "a tree"))
    ]  # fmt: skip
    (tmp_path / "data.json").write_text(json.dumps(records))
    return tmp_path / "data.json"
