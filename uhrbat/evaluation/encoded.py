"""Generated worlds, encoded, and kept in a folder: a second run over the same vision tower does not encode again.

What is kept is the tower's features as the engine computes them, so that a miss found here has the verdict that the
page gives it; embeddings and similarity vectors are computed from them each time, so that only another tower makes what
is kept useless. A world of 4,032 px takes 100 MB at nano's width of 192.
"""

from __future__ import annotations

import gc
import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from uhrbat.encoded import EncodedImage
from uhrbat.engine import UHRBAT
from uhrbat.errors import InputError
from uhrbat.imagery import canvas_of, scale_images, tiles
from uhrbat.worlds import World, WorldObject, generate


def fingerprint(*parts) -> str:
    """16 hex digits of networks (their weights), tensors and plain values, in their order."""
    digest = hashlib.sha256()
    for part in parts:
        if not isinstance(part, torch.nn.Module):
            digest.update(json.dumps(part, sort_keys=True, default=str).encode())
            continue
        for name, values in sorted(part.state_dict().items()):
            digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
            digest.update(values.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def configuration(model: UHRBAT) -> dict:
    """A model's configuration without `extra`, in which stands what was measured of it: no result depends on that."""
    return asdict(model.network.config) | {"extra": None}


def tower_fingerprint(model: UHRBAT) -> str:
    """What the features of an image depend on: the vision tower's weights, their type, and how pixels reach it."""
    config = model.network.config
    facts = [
        str(model.dtype),
        config.tower,
        config.vision,
        config.scales,
        config.select_layer,
        config.image_mean,
        config.image_std,
    ]
    return fingerprint(model.network.vision, facts)


@dataclass
class WorldEncoder:
    """Generates and encodes worlds for an engine; `folder`: where features are kept, None for nowhere."""

    engine: UHRBAT
    folder: Path | None = None
    tower: str = field(init=False)

    def __post_init__(self) -> None:
        if self.engine.network.config.image_attention != "self":
            raise InputError("generated scenes are for nano-like models (image_attention 'self'); use ask for others")
        self.tower = tower_fingerprint(self.engine)

    def scene(self, seed: int, without: tuple[int, ...] = ()) -> tuple[World, EncodedImage]:
        """The scene of a seed and its encoding. Where its features were kept, the picture is empty (0 x 0)."""
        gc.collect()  # a scene and its views hold one another: a few large objects, of which no collector would think
        path = self._path(self.folder, seed) if self.folder and not without else None
        if path and path.exists():
            kept = _read(path)
            if kept:
                return kept[0], self.encoding((kept[0].size,) * 2, kept[1])
        scene = generate(seed, without=without)
        features = self.features(scene.image)
        if path:
            _write(path, scene, features)
        return scene, self.encoding((scene.size, scene.size), features)

    def features(self, picture: np.ndarray) -> dict[int, Tensor]:
        """float[N, width] by scale of a picture uint8[height, width, 3]."""
        return self.engine.encode_canvas(canvas_of(picture), generated=True, keep_features=True).features

    @torch.inference_mode()
    def features_after(
        self, encoded: EncodedImage, before: dict[int, np.ndarray], picture: np.ndarray
    ) -> dict[int, Tensor]:
        """As `features`, of a changed picture; only the tiles whose pixels changed are encoded.

        encoded: the encoding before the change; before: {size: uint8[size, size, 3]}, `scale_images` of that picture.
        """
        network, config = self.engine.network, self.engine.network.config
        found = {}
        for size, after in scale_images(canvas_of(picture), encoded.square.sizes, encoded.square.least):
            scale = config.scale(size)
            side = scale.tiles
            differs = (before[size] != after).any(-1).reshape(side, scale.tile, side, scale.tile).any((1, 3)).ravel()
            found[size] = encoded.features[size].clone()
            places = np.flatnonzero(differs)
            for part in np.array_split(places, max(1, len(places) // self.engine.tile_batches.at_once)):
                if len(part):
                    pixels = torch.from_numpy(tiles(after, config.image_mean, config.image_std, part, scale.tile))
                    fresh = network.features(pixels.to(self.engine.device, self.engine.dtype))
                    found[size].view(side * side, scale.tile_grid**2, -1)[torch.from_numpy(part)] = fresh
        return found

    @torch.inference_mode()
    def encoding(self, size: tuple[int, int], features: dict[int, Tensor], generated: bool = True) -> EncodedImage:
        """The encoded scene of a picture of (width, height) pixels, all valid, from its features."""
        network, device = self.engine.network, self.engine.device
        values = {scale: kept.to(device, self.engine.dtype) for scale, kept in features.items()}
        square = network.config.square(*size)
        seen = network.similarity is not None
        return ManyQuestions(
            engine=self.engine,
            info=None,
            square=square,
            embeddings={scale: network.project(kept) for scale, kept in values.items()},
            visual={scale: network.similarity_vectors(kept) for scale, kept in values.items()} if seen else {},
            excluded={scale: torch.from_numpy(square.padding(scale)).to(device) for scale in values},
            overview=np.zeros((1, 1, 3), np.uint8),
            generated=generated,
            seconds={},
            features=values,
        )

    def _path(self, folder: Path, seed: int) -> Path:
        return folder / self.tower / f"{seed}.safetensors"


@dataclass
class ManyQuestions(EncodedImage):
    """An encoded scene of which very many selections are made: embeddings with their residual are made once."""

    _placed: dict[tuple[int, int], Tensor] = field(default_factory=dict)

    def with_residual(self, size: int, times: int) -> Tensor:
        if (size, times) not in self._placed:
            self._placed[size, times] = super().with_residual(size, times)
        return self._placed[size, times]


def _write(path: Path, scene: World, features: dict[int, Tensor]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {"objects": [asdict(item) for item in scene.objects], "land_cover": scene.land_cover, "size": scene.size}
    tensors = {str(size): values.cpu().contiguous() for size, values in features.items()}
    tensors["land_map"] = torch.from_numpy(scene.land_map.copy())
    part = path.with_suffix(".part")
    save_file(tensors, part, {"scene": json.dumps(facts | {"seed": scene.seed})})
    part.replace(path)


def _read(path: Path) -> tuple[World, dict[int, Tensor]] | None:
    """A kept scene without its picture, and its features; None where the file is damaged."""
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads(file.metadata()["scene"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dictionary)
    except (OSError, SafetensorError):
        return None
    objects = tuple(
        WorldObject(item["kind"], item["color"], tuple(item["box"]), facts["size"]) for item in facts["objects"]
    )
    land_map = tensors.pop("land_map").numpy()
    picture = np.zeros((0, 0, 3), np.uint8)
    scene = World(picture, objects, facts["land_cover"], land_map, facts["seed"], facts["size"])
    return scene, {int(size): values for size, values in sorted(tensors.items(), key=lambda pair: int(pair[0]))}
