"""The models that a worker offers, by name, each loaded when it is first asked for."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from uhrbat.errors import InputError
from uhrbat.serving.schema import DEFAULT_MODEL, ModelInfo, Settings


@dataclass(frozen=True)
class Offer:
    """What a worker offers and where it runs it.

    | field  | variable      | default | meaning                                                             |
    | ------ | ------------- | ------- | ------------------------------------------------------------------- |
    | models | UHRBAT_MODELS | nano    | names, comma-separated; `name=folder or Hub id` where they differ   |
    | device | UHRBAT_DEVICE | auto    | "auto" takes cuda, then mps, then cpu                               |

    The first model is loaded at the start. A request can name only what is offered here.
    """

    models: dict[str, str] = field(default_factory=lambda: {DEFAULT_MODEL: DEFAULT_MODEL})
    device: str = "auto"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Offer:
        """The defaults, overridden by the variables above."""
        environment = os.environ if environment is None else environment
        listed = [item.strip() for item in environment.get("UHRBAT_MODELS", DEFAULT_MODEL).split(",")]
        models = {}
        for item in filter(None, listed):
            name, _, source = item.partition("=")
            models[name.strip()] = source.strip() or name.strip()
        return cls(models or {DEFAULT_MODEL: DEFAULT_MODEL}, environment.get("UHRBAT_DEVICE", "auto"))


def load_engine(source: str, device: str) -> Any:
    """Load a model by the engine; CheckpointError if that fails."""
    from uhrbat.engine import UHRBAT

    return UHRBAT.from_pretrained(source, device=device)


class Models:
    """The offered models. `load` is given a model's source and the device."""

    def __init__(self, offer: Offer, load: Callable[[str, str], Any] = load_engine) -> None:
        self.offer = offer
        self._load = load
        self._lock = threading.Lock()
        self._loaded: dict[str, Any] = {}
        self._speeds: dict[str, float] = {}

    @property
    def first(self) -> str:
        """The model that is loaded at the start."""
        return next(iter(self.offer.models))

    def is_loaded(self, name: str) -> bool:
        return name in self._loaded

    def get(self, name: str) -> Any:
        """A model, loaded if need be. InputError if it is not offered, CheckpointError if it fails."""
        if name not in self.offer.models:
            raise InputError(f"model '{name}' is not offered here; choose one of {', '.join(self.offer.models)}")
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = self._load(self.offer.models[name], self.offer.device)
            return self._loaded[name]

    def prefilled(self, name: str, tokens: int, seconds: float) -> None:
        """Remember how fast a model took up an image's tokens."""
        if seconds > 0:
            self._speeds[name] = tokens / seconds

    def infos(self) -> tuple[ModelInfo, ...]:
        """What is offered."""
        return tuple(self._info(name) for name in self.offer.models)

    def _info(self, name: str) -> ModelInfo:
        model = self._loaded.get(name)
        if model is None:
            return ModelInfo(name=name, loaded=False)
        chosen = model.settings
        return ModelInfo(
            name=name,
            loaded=True,
            knows_photographs=model.knows_photographs,
            scales=tuple(model.scales),
            default_settings=Settings(
                model=name,
                importance=chosen.importance,
                regions=chosen.regions,
                order=chosen.order,
                seed=chosen.seed,
            ),
            parameters=model.parameters,
            bytes_per_token=model.bytes_per_token,
            prefill_tokens_per_second=self._speeds.get(name),
        )
