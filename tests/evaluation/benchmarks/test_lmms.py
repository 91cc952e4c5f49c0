"""The lmms-eval plug-in, against lmms-eval where it is installed, else against its documented interface."""

import importlib
import sys
import tomllib
import types
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.tiny import engine
from uhrbat.engine import UHRBAT


def documented():
    """The parts of lmms-eval that its model guide and its registry document."""
    api, registry = types.ModuleType("lmms_eval.api.model"), types.ModuleType("lmms_eval.models.registry_v2")

    class lmms:
        is_simple = True

        def __init__(self):
            self._rank, self._world_size, self.task_dict = 0, 1, {}

        rank = property(lambda self: self._rank)

    @dataclass(frozen=True)
    class ModelManifest:
        model_id: str
        simple_class_path: str | None = None
        chat_class_path: str | None = None
        aliases: tuple = ()

    api.lmms, registry.ModelManifest = lmms, ModelManifest
    parents = ("lmms_eval", "lmms_eval.api", "lmms_eval.models")
    return {name: types.ModuleType(name) for name in parents} | {api.__name__: api, registry.__name__: registry}


@pytest.fixture
def lmms(monkeypatch):
    try:
        importlib.import_module("lmms_eval.api.model")
    except ImportError:
        for name, module in documented().items():
            monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "uhrbat.evaluation.benchmarks.lmms", raising=False)
    monkeypatch.setattr(UHRBAT, "from_pretrained", lambda *_, **__: engine())
    module = importlib.import_module("uhrbat.evaluation.benchmarks.lmms")
    yield module
    sys.modules.pop("uhrbat.evaluation.benchmarks.lmms", None)


def request(question, picture, number, **options):
    return types.SimpleNamespace(
        args=(question, options, lambda doc: [doc["image"]] * doc["count"], number, "t", "test")
    )


def documents(count=1, side=60):
    pixels = np.random.default_rng(0).integers(0, 255, (side, side, 3), np.uint8)
    return {"t": {"test": [{"image": Image.fromarray(pixels).convert("L"), "count": count}] * 2}}


def test_the_entry_point_leads_to_a_manifest_whose_class_is_there(lmms):
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    (value,) = project["entry-points"]["lmms_eval.models"].values()
    reply = EntryPoint("uhrbat", value, "lmms_eval.models").load()()
    module, name = reply.simple_class_path.rsplit(".", 1)
    assert reply.model_id == "uhrbat" and getattr(importlib.import_module(module), name).is_simple


def test_requests_are_answered_in_order_and_cut_at_their_stop_strings(lmms, monkeypatch):
    model = lmms.UHRBATForLmmsEval(pretrained="tiny", budget="20:30", order="mean")
    encode, encoded = model.engine.encode_canvas, []
    monkeypatch.setattr(model.engine, "encode_canvas", lambda *given: encoded.append(1) or encode(*given))
    assert model.budget == (20, 30) and model.settings.order == "mean"
    model.task_dict = documents()
    whole, again = model.generate_until([request("What is it?\nA. x", None, n, max_new_tokens=8) for n in (0, 1)])
    assert isinstance(whole, str) and whole == again and len(encoded) == 1  # two documents about one picture
    scene = model._last[1]
    expected = scene.ask("What is it?\nA. x", model.settings, lines=True).select((20, 30)).answer(max_new_tokens=8)
    assert whole == str(expected)
    if len(whole) > 2:
        (cut,) = model.generate_until([request("What is it?\nA. x", None, 0, max_new_tokens=8, until=[whole[2]])])
        assert cut == whole.split(whole[2])[0]


def test_a_model_of_another_family_answers(lmms, small_family, monkeypatch):
    monkeypatch.setattr(UHRBAT, "from_pretrained", lambda *_, **__: small_family)
    model = lmms.UHRBATForLmmsEval(pretrained="a SmolVLM", budget=30)
    model.task_dict = documents()
    (answer,) = model.generate_until([request("What is it?", None, 0, max_new_tokens=3)])
    expected = model._last[1].ask("What is it?", lines=True).select(30).answer(max_new_tokens=3)
    assert model.settings.importance == "attention" and answer == str(expected)


def test_an_image_over_the_canvas_is_read_from_a_file(lmms):
    model = lmms.UHRBATForLmmsEval(budget=20)
    model.task_dict = {"t": {"test": [{"image": Image.new("RGB", (8100, 60)), "count": 1}]}}
    assert isinstance(model.generate_until([request("What?", None, 0, max_new_tokens=1)])[0], str)


def test_several_images_are_left_unanswered_and_other_requests_refused(lmms):
    model = lmms.UHRBATForLmmsEval(budget=20)
    model.task_dict = documents(count=2)
    assert model.generate_until([request("Which?", None, 0)]) == [""]
    for ask in (model.loglikelihood, model.generate_until_multi_round):
        with pytest.raises(NotImplementedError, match="choose a task"):
            ask([])
