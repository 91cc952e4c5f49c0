import io
import json

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from app import examples, shares
from app.routes import PREFIX, routes
from app.state.runs import KeptRun
from uhrbat.budget import split_budget
from uhrbat.errors import ImageError
from uhrbat.geometry import SCALES, Square
from uhrbat.results import Attention


@pytest.fixture
def client(explorer):
    return TestClient(FastAPI(routes=routes(explorer.shelf, explorer.runs, explorer.findings)))


@pytest.fixture
def run(explorer, picture):
    asked = explorer.asked(picture, "How many ships?", explorer.settings("nano", "default", "", "", 0))
    result = explorer.ask(asked, 3000, "").result()
    return explorer.runs.add(KeptRun(picture, asked.query, asked.scales, asked.least, result))


def test_tiles_never_change_and_end_at_the_edge(client, picture):
    reply = client.get(f"{PREFIX}/tile/{picture.id}/0/0/0.jpg")
    assert reply.status_code == 200 and "immutable" in reply.headers["cache-control"]
    assert Image.open(io.BytesIO(reply.content)).size == (256, 256)
    deepest = picture.reader.max_zoom()
    assert client.get(f"{PREFIX}/tile/{picture.id}/{deepest}/3/1.jpg").status_code == 200
    for outside in (f"{deepest}/4/0", f"{deepest}/0/2", f"{deepest + 1}/0/0", "0/-1/0"):
        assert client.get(f"{PREFIX}/tile/{picture.id}/{outside}.jpg").status_code == 404


@pytest.mark.parametrize(
    "path",
    ["tile/nobody/0/0/0.jpg", "run/nobody/672/rank.png", "thumbnail/nobody/0.jpg", "example/nobody.jpg",
     "run/nobody/run.json", "tile/..%2f..%2fetc/0/0/0.jpg", "assets/..%2f..%2fapp.py", "run/nobody/figure.pdf",
     "run/nobody/tokens.npz", "run/nobody/tokens-672.tif"],
)  # fmt: skip
def test_what_is_not_there_is_404(client, path):
    assert client.get(f"{PREFIX}/{path}").status_code == 404


def test_scripts_and_styles_come_through_a_proxy_that_strips_its_path(explorer):
    app = FastAPI(routes=routes(explorer.shelf, explorer.runs, explorer.findings))
    proxied = TestClient(app, root_path="/explorer")
    types = {"assets/explorer.css": "text/css", "assets/viewer.js": "javascript", "leaflet/leaflet.js": "javascript"}
    for path, kind in types.items():
        reply = proxied.get(f"{PREFIX}/{path}")
        assert reply.status_code == 200 and kind in reply.headers["content-type"], path
        assert proxied.get(f"{PREFIX}/{path}", headers={"If-None-Match": reply.headers["etag"]}).status_code == 304
    assert proxied.get(f"{PREFIX}/assets/nothing.js").status_code == 404


def test_every_token_map_of_a_run(client, run):
    for size in SCALES:
        for kind in ("rank", "importance", "region"):
            reply = client.get(f"{PREFIX}/run/{run.id}/{size}/{kind}.png")
            assert reply.status_code == 200 and Image.open(io.BytesIO(reply.content)).size == (size // 14,) * 2
    assert client.get(f"{PREFIX}/run/{run.id}/999/rank.png").status_code == 404
    assert client.get(f"{PREFIX}/run/{run.id}/672/secret.png").status_code == 404


def test_what_words_looked_at_is_there_once_somebody_asked(client, run):
    address = f"{PREFIX}/run/{run.id}/words.bin"
    assert client.get(address).status_code == 404
    weights = {scale.size: np.full((2, 3), scale.size, np.float32) for scale in run.scales}
    run.attention = Attention(("place 1", "five"), weights)
    reply = client.get(address)
    assert np.frombuffer(reply.content, "<f4")[::6].tolist() == [scale.size for scale in run.scales]
    assert reply.headers["cache-control"] == "no-store"
    run.attention = None


def test_downloads(client, run):
    shown = client.get(f"{PREFIX}/run/{run.id}/run.json")
    assert shown.headers["content-disposition"] == 'attachment; filename="uhrbat-wide-run.json"'
    assert json.loads(shown.text)["question"] == "How many ships?"
    assert client.get(f"{PREFIX}/run/{run.id}/ledger.csv").text.startswith("size,tokens,budget,used,")
    figure = client.get(f"{PREFIX}/run/{run.id}/figure.png?scale=1344&panels=image,fate&view=100,100,400,300")
    assert Image.open(io.BytesIO(figure.content)).width == 2100
    assert "uhrbat-wide-1344-3000-image-fate.png" in figure.headers["content-disposition"]
    assert "How many ships?" in client.get(f"{PREFIX}/run/{run.id}/figure.txt").text
    wrong = client.get(f"{PREFIX}/run/{run.id}/figure.pdf?scale=1")
    assert wrong.status_code == 400 and "no scale 1" in wrong.text
    assert client.get(f"{PREFIX}/run/{run.id}/figure.exe").status_code == 404
    arrays = np.load(io.BytesIO(client.get(f"{PREFIX}/run/{run.id}/tokens.npz").content))
    assert arrays["rank_672"].shape == (48, 48)
    assert client.get(f"{PREFIX}/run/{run.id}/tokens-672.tif").status_code == 404  # it lies on no map


def test_the_browser_shares_a_budget_exactly_as_the_library(client):
    owners = np.frombuffer(client.get(f"{PREFIX}/shares/336-24-672-1344-2688-4032.bin").content, np.uint8)
    assert owners.size == 131_328
    for total in (1, 2, 64, 999, 3000, 16_000, 131_328):
        assert tuple(np.bincount(owners[:total], minlength=4)) == split_budget(total, SCALES)


def test_the_histogram_of_a_picture(client, picture, monkeypatch):
    reply = client.get(f"{PREFIX}/picture/{picture.id}/histogram.json").json()
    assert reply["low"] == 0 and len(reply["counts"]) == 3 and sum(reply["counts"][0]) == reply["pixels"] == 450_000
    assert client.get(f"{PREFIX}/picture/nobody/histogram.json").status_code == 404

    def fail(*_):
        raise ImageError("'wide.jpg' is damaged or cut short: copy it again.")

    del picture.histogram
    monkeypatch.setattr("uhrbat.imagery.apart.histogram", fail)
    assert "is damaged" in client.get(f"{PREFIX}/picture/{picture.id}/histogram.json").json()["error"]


def test_scripts_and_leaflet_are_our_own(client):
    for path in ("assets/viewer.js", "assets/explorer.css", "leaflet/leaflet.js", "leaflet/leaflet.css"):
        assert client.get(f"{PREFIX}/{path}").status_code == 200
    assert client.get(f"{PREFIX}/example/{examples.load()[0].name}.jpg").headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize(
    "geometry", ["", "336-24", "336-24-700", "0-24-672", "336-0-672", "1-999-99999", "336-24-x", "../336-24-672"]
)
def test_shares_are_made_for_scales_that_a_model_can_have(client, geometry):
    assert client.get(f"{PREFIX}/shares/{geometry}.bin").status_code == 404


def test_shares_where_tiles_of_native_scales_were_looked_at(client):
    scales = Square(20_000, 20_000).looking({8064: (3, 9), 16128: range(100, 150)}).scales
    made = shares.geometry(scales)
    owners = np.frombuffer(client.get(f"{PREFIX}/{made['shares']}").content, np.uint8)
    for total in (1, 64, 3000, 131_328, len(owners)):
        assert tuple(np.bincount(owners[:total], minlength=6)) == split_budget(total, scales)
    assert made["looked"]["8064"] == [3, 9] and made["whole"] == shares.geometry(scales[:4])
    assert client.get(f"{PREFIX}/shares/336-24-672-16128x2000.bin").status_code == 404


def test_shares_of_another_geometry(client):
    owners = np.frombuffer(client.get(f"{PREFIX}/shares/448-8-448-896.bin").content, np.uint8)
    assert np.bincount(owners).tolist() == [64, 256]
