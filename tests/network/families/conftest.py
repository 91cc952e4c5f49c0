"""A tiny checkpoint of every `model_type`, made, loaded and given a picture once a session."""

import numpy as np
import pytest
from PIL import Image

from tests.support import families
from uhrbat.engine import UHRBAT


@pytest.fixture(scope="session", params=families.MAKERS)
def folder(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("families") / request.param
    families.write(path, request.param)
    return path


@pytest.fixture(scope="session")
def engine(folder):
    """The model with two small scales, the finer of at least 24 x 24 tokens."""
    model = UHRBAT.from_pretrained(str(folder), device="cpu")
    config = model.network.config
    finer = max(2, -(-24 // model.tile_grid)) * model.tile
    config.scales, config.attention_scale = (model.tile, finer), model.tile
    return model


@pytest.fixture(scope="session")
def picture(tmp_path_factory):
    """A picture large enough that every family has a native scale beyond those."""
    path = tmp_path_factory.mktemp("pictures") / "noise.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (1400, 2700, 3), np.uint8)).save(path, compress_level=1)
    return path


@pytest.fixture(scope="session")
def encoded(engine, picture):
    return engine.encode(picture, progress=False)
