"""The plug-in for lmms-eval: `lmms-eval --model uhrbat --model_args pretrained=nano,budget=3000 --tasks ...`

lmms-eval finds it by the entry point `lmms_eval.models` (pyproject.toml) once this project is installed beside it, `pip
install -e .`, and is imported only here; it brings its own tasks, prompts and scoring, so a score is comparable with
those of the other models it runs.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmms_eval.api.model import lmms
from lmms_eval.models.registry_v2 import ModelManifest
from PIL import Image
from tqdm import tqdm

from uhrbat.budget import read_budget
from uhrbat.encoded import EncodedImage
from uhrbat.engine import UHRBAT
from uhrbat.imagery import canvas_of
from uhrbat.imagery.canvas import MAX_SIDE
from uhrbat.settings import Settings

if TYPE_CHECKING:
    from lmms_eval.api.instance import Instance

logger = logging.getLogger(__name__)


def manifest() -> ModelManifest:
    """What lmms-eval registers."""
    return ModelManifest(model_id="uhrbat", simple_class_path="uhrbat.evaluation.benchmarks.lmms.UHRBATForLmmsEval")


class UHRBATForLmmsEval(lmms):
    """A model of this project as lmms-eval drives it: one image, one question, one answer."""

    is_simple = True

    def __init__(
        self,
        pretrained: str = "nano",
        device: str = "auto",
        budget: str | int = 3000,
        bits: int | None = None,
        batch_size: int = 1,  # noqa: ARG002 (lmms-eval passes it to every model)
        **settings,
    ) -> None:
        """pretrained: nano, a folder or a Hub id. budget: a total, or one number a scale joined by colons. settings:
        importance, regions, order, seed, clusters, iterations, release."""
        super().__init__()
        self._rank, self._world_size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        quantised: dict[str, Any] = {"bits": int(bits)} if bits else {}
        self.engine = UHRBAT.from_pretrained(pretrained, device, **quantised)
        self.settings = Settings(**(asdict(self.engine.settings) | settings))
        self.budget = read_budget(str(budget).replace(":", ","))
        self.engine.budgets(self.budget)
        self._last: tuple[tuple, EncodedImage] | None = None

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """Greedy answers, one a request, cut at the request's stop strings."""
        answers = []
        for request in tqdm(requests, desc="uhrbat", disable=self.rank > 0):
            context, options, doc_to_visual, number, task, split = request.args
            pictures = doc_to_visual(self.task_dict[task][split][number])
            answers.append(self._answer(context, options, pictures, f"{task}/{split}/{number}"))
        return answers

    def _answer(self, question: str, options: dict, pictures: list[Image.Image], name: str) -> str:
        if len(pictures) != 1:
            logger.warning("%s has %d images; this model looks at one, so it is left unanswered", name, len(pictures))
            return ""
        view = self._scene(pictures[0]).ask(question, self.settings, lines=True)
        answer = str(view.select(self.budget).answer(max_new_tokens=options.get("max_new_tokens") or 64))
        until = options.get("until") or ()
        for stop in (until,) if isinstance(until, str) else until:
            answer = answer.split(stop)[0] if stop else answer
        return answer

    def _scene(self, picture: Image.Image) -> EncodedImage:
        """The picture encoded; the last one is kept, for a benchmark asks many questions of one image."""
        picture = picture.convert("RGB")
        key = picture.size, hashlib.sha256(picture.tobytes()).hexdigest()
        if self._last is None or self._last[0] != key:
            self._last = None
            if max(picture.size) <= MAX_SIDE:
                scene = self.engine.encode_canvas(canvas_of(picture))
            else:
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder) / "image.tif"
                    picture.save(path)
                    scene = self.engine.encode(path, progress=None)
            self._last = (key, scene)
        return self._last[1]

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Not offered: the tasks this model is for are answered in words."""
        raise NotImplementedError("uhrbat answers in words: choose a task whose output_type is generate_until")

    def generate_until_multi_round(self, requests: list[Instance]) -> list[str]:
        """Not offered: a question is asked once, of one image."""
        raise NotImplementedError("uhrbat answers one question about one image: choose a task of a single round")
