"""An explorer on a fake worker, without a browser and without a model."""

from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image
from rasterio.transform import from_origin

from app import answered, examples
from app.cards import Cards
from app.explorer import Explorer
from app.page import lay_out
from tests.support.fake_worker import FakeWorker
from tests.support.made_images import picture as test_picture
from tests.support.made_images import write_tiff


@pytest.fixture(autouse=True)
def unanswered(monkeypatch):
    """Examples open unanswered, as with other weights than those that their answers were made with."""
    monkeypatch.setattr(answered, "weights", lambda: "other weights")


@pytest.fixture
def worker():
    return FakeWorker()


@pytest.fixture(scope="session")
def tiles(tmp_path_factory):
    """Where viewer tiles are kept, so that an example's are written once."""
    return tmp_path_factory.mktemp("tiles")


@pytest.fixture
def explorer(worker, tiles):
    made = Explorer(lambda: worker, tiles)
    yield made
    made.close()


@pytest.fixture(scope="session")
def wide_photo(tmp_path_factory):
    """A 900 x 500 JPEG of noise: not square, not a scene."""
    path = tmp_path_factory.mktemp("images") / "wide.jpg"
    noise = np.random.default_rng(0).integers(0, 255, (50, 90, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((900, 500)).save(path, quality=85)
    return path


@pytest.fixture(scope="session")
def six_bands(tmp_path_factory):
    """A GeoTIFF of six 16-bit bands, 203 x 149 pixels of half a metre in UTM zone 33."""
    bands = np.concatenate([test_picture(), test_picture()[::-1]], axis=2).astype(np.uint16) * 40
    place = from_origin(500_000, 5_000_000, 0.5, 0.5)
    return write_tiff(tmp_path_factory.mktemp("bands") / "six.tif", bands, crs="EPSG:32633", transform=place)


@pytest.fixture
def picture(explorer, wide_photo):
    return list(explorer.shelf.ingest(wide_photo))[-1]


@pytest.fixture(scope="session")
def built():
    """The page's components, made once."""
    with gr.Blocks():
        made = Cards(None)
        lay_out(made)
    return made


@pytest.fixture
def cards(built, explorer):
    """The page's cards on this test's explorer."""
    built.explorer = explorer
    return built


@pytest.fixture
def request_of():
    """Requests as Gradio hands them to events: `request_of("page")`."""
    return lambda id="page": SimpleNamespace(session_hash=id)


@pytest.fixture
def run(explorer, cards, request_of):
    """An example asked about, with an inspected box."""
    example, budget = examples.load()[2], {"total": 3000, "per_scale": None}
    list(cards.image.pick(gr.EventData(None, {"name": example.name}), request_of()))
    method = ("nano", "default", "default", "default", 0)
    list(cards.question.asked(example.questions[0].text, budget, *method, request_of()))
    list(cards.object.inspect(budget, gr.EventData(None, {"box": list(example.objects[0].box)}), request_of()))
    return explorer.sessions.of("page").run
