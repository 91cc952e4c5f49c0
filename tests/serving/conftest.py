from pathlib import Path

import pytest
from PIL import Image

from tests.support import fake_engine
from uhrbat.serving.client.local import InProcessWorker
from uhrbat.serving.limits import Limits
from uhrbat.serving.server.models import Offer
from uhrbat.serving.server.service import Service


@pytest.fixture(scope="session")
def picture(tmp_path_factory) -> Path:
    """A small readable image."""
    path = tmp_path_factory.mktemp("pictures") / "harbour.png"
    Image.effect_noise((72, 48), 50).save(path)
    return path


@pytest.fixture
def limits(tmp_path) -> Limits:
    return Limits(store_folder=str(tmp_path / "store"))


@pytest.fixture
def local(limits):
    """A worker in this process around the fake engine."""
    with InProcessWorker(Service(limits, Offer(), fake_engine.load)) as worker:
        yield worker
