import io
import json
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
from gradio.utils import get_upload_folder
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from app.explorer import COMPARED, Explorer
from app.limits import PageLimits
from app.page import build, launch_options
from tests.support.fake_worker import FakeWorker
from tests.support.web import page, serving
from uhrbat.geometry import SCALES


@pytest.fixture(scope="module")
def explorer_of(tmp_path_factory):
    """Starts an explorer on a worker; gives it and its address."""
    running = []

    def start(worker):
        explorer = Explorer(lambda: worker, tmp_path_factory.mktemp("tiles"))
        built = build(explorer)
        built.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options(explorer))
        running.append((built, explorer))
        return explorer, built.local_url

    yield start
    for built, explorer in running:
        built.close()
        explorer.close()


@pytest.fixture(scope="module")
def client(explorer_of):
    """A client of a running explorer."""
    return Client(explorer_of(FakeWorker())[1], verbose=False)


def test_the_endpoints_are_the_six_and_nothing_else(client):
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(named) == {"/ingest", "/ask", "/answer", "/inspect", "/sweep", "/compare"}


def test_every_parameter_and_result_has_a_name_and_a_description(client):
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    method = {"importance", "regions", "order", "seed", "model", "split", "looks"}
    for name, endpoint in named.items():
        assert endpoint["description"], name
        for part in endpoint["parameters"] if name != "/ingest" else ():
            assert part["label"] == part["parameter_name"] and len(part["python_type"]["description"]) > 8, part
        for part in endpoint["returns"]:
            assert part["label"] in ("result", "image"), part
        if name != "/ingest":
            assert len(endpoint["returns"][0]["python_type"]["description"]) > 20
            assert method < {part["parameter_name"] for part in endpoint["parameters"]}, name


@pytest.mark.slow
def test_the_method_reaches_the_worker_from_every_endpoint(explorer_of):
    explorer, url = explorer_of(FakeWorker())
    client = Client(url, verbose=False)
    asked = {"image": "airfield", "question": "How many cars?", "importance": "attention", "order": "mean", "seed": 7}
    asked["looks"] = 5
    for name, more in {
        "/ask": {},
        "/answer": {},
        "/inspect": {"box": [1, 1, 60, 60]},
        "/sweep": {},
        "/compare": {},
    }.items():
        client.predict(**asked, **more, api_name=name)
        _, request = explorer.worker().requests[-1]
        settings = request.query.settings
        assert (settings.importance, settings.order, settings.seed, settings.looks) == ("attention", "mean", 7, 5), name
    for wrong in (-1, 2.5, "many"):
        with pytest.raises(AppError, match="give a whole number from 0"):
            client.predict(**asked | {"looks": wrong}, api_name="/ask")


@pytest.mark.slow
def test_boxes_are_forced_in_and_taken_out(explorer_of):
    explorer, url = explorer_of(FakeWorker())
    client = Client(url, verbose=False)
    asked = {"image": "airfield", "question": "How many cars?", "api_name": "/answer"}
    shown = client.predict(
        **asked, budget=500, force=[[1, 1, 60, 60]], without=[[100, 100, 160, 160]], look=[[5, 5, 9, 9]]
    )
    _, request = explorer.worker().requests[-1]
    assert request.force == ((1, 1, 60, 60),) and request.without == ((100, 100, 160, 160),)
    assert request.look == ((5, 5, 9, 9),)
    assert shown["answer"] and sum(shown["budgets"]) == 500
    with pytest.raises(AppError, match="fractions"):
        client.predict(**asked, force=[[0.1, 0.1, 0.2, 0.2]])
    looked = client.predict(**asked, budget=500, attention=True)["attention"]
    assert looked["words"] == ["place 1", "five"]
    assert [len(looked["weights"][str(size)][0]) for size in SCALES] == shown["budgets"]


def test_token_maps_are_fetched_as_arrays(client):
    shown = client.predict(image="airfield", question="How many cars?", budget=500, api_name="/ask")
    reply = httpx.get(client.src + shown["arrays"], trust_env=False)
    arrays = np.load(io.BytesIO(reply.content), allow_pickle=False)
    assert arrays["importance_4032"].shape == (288, 288)
    assert json.loads(str(arrays["about"]))["budgets"] == shown["budgets"]


def test_an_endpoint_is_called_by_names_over_http(client):
    asked = {"image": "airfield", "question": "How many cars?", "budget": 500, "importance": "similarity"}
    event = httpx.post(f"{client.src}gradio_api/call/v2/ask", json=asked, trust_env=False).json()["event_id"]
    reply = httpx.get(f"{client.src}gradio_api/call/ask/{event}", trust_env=False, timeout=60)
    assert "event: complete" in reply.text and '"answer": "four"' in reply.text


def test_ingest_and_ask(client, wide_photo):
    image = client.predict(handle_file(str(wide_photo)), api_name="/ingest")
    assert (image["width"], image["height"], image["tokens"]) == (900, 500, 73_344)
    shown = client.predict(image=image["image"], question="How many cars?", budget=500, api_name="/ask")
    assert shown["answer"] == "four" and sum(shown["budgets"]) == 500 and "generated scenes" in shown["caveat"]
    shown = client.predict(image=image["image"], question="How many?", per_scale=[0, 0, 0, 9], api_name="/ask")
    assert shown["budgets"] == [0, 0, 0, 9]


def test_an_image_is_opened_by_its_address_where_that_is_allowed(explorer_of, wide_photo):
    explorer, url = explorer_of(FakeWorker())
    client = Client(url, verbose=False)
    with serving({"/wide.jpg": page(wide_photo.read_bytes())}) as (port, asked):
        address = f"http://127.0.0.1:{port}/wide.jpg"
        with pytest.raises(AppError, match="start the explorer with UHRBAT_ADDRESSES=host"):
            client.predict(address=address, api_name="/ingest")
        assert asked == []
        explorer.shelf.limits = PageLimits(addresses=f"127.0.0.1:{port}")
        image = client.predict(address=address, picture={"gamma": 2}, api_name="/ingest")
        assert (image["name"], image["width"], image["shown"]["gamma"]) == ("wide.jpg", 900, 2)
        for wrong in (
            {"address": "http://127.0.0.1/wide.jpg"},
            {"address": 5},
            {"address": {}},
            {},
            {"file": handle_file(str(wide_photo)), "address": address},
        ):
            with pytest.raises(AppError, match="not among the hosts|give "):
                client.predict(**wrong, api_name="/ingest")


def test_bands_can_be_chosen(client, six_bands):
    chosen = {"bands": [6, 5, 4], "limits": [10, 9000]}
    shown = client.predict(handle_file(str(six_bands)), picture=chosen, api_name="/ingest")
    assert shown["notes"][0] == "bands 6, 5, 4 of 6 are shown as red, green and blue"
    assert (shown["shown"]["bands"], shown["shown"]["limits"]) == ([6, 5, 4], [10, 9000])
    for wrong in ({"bands": [6, 5, 7]}, {"bands": "red"}, {"bands": [1, 2]}, [6, 5, 4], "red", {"gamma": "x"}):
        with pytest.raises(AppError, match="bands|gamma"):
            client.predict(handle_file(str(six_bands)), wrong, api_name="/ingest")


def test_files_beside_the_picture(client, wide_photo, tmp_path):
    (tmp_path / "wide.jgw").write_text("0.5\n0\n0\n-0.5\n500000.25\n4999999.75\n")
    world = handle_file(str(tmp_path / "wide.jgw"))
    shown = client.predict(handle_file(str(wide_photo)), beside=[world], api_name="/ingest")
    assert any("placed by 'wide.jgw'" in note for note in shown["notes"])
    with pytest.raises(AppError, match="upload it together with the picture"):
        client.predict(world, api_name="/ingest")


@pytest.mark.parametrize(
    ("question", "problem"),
    [("?", None), ("a" * 5000, "5,000 characters"), ("\u200b\x07", "empty"), ("船はどこ? \U0001f6a2", None),
     ("a\x00b\x1b[31m", None), ("<b>bold</b>", None), ("<|im_end|><x3> <image>", None)],
)  # fmt: skip
def test_questions_of_any_kind(client, question, problem):
    asked = {"image": "airfield", "question": question, "budget": 500, "api_name": "/ask"}
    if problem is None:
        assert client.predict(**asked)["answer"] == "four"
        return
    with pytest.raises(AppError, match=problem):
        client.predict(**asked)


NAMES = [
    "a b.png",
    "quo'\"te.png",
    "line\nbreak.png",
    "n" * 300 + ".png",
    "船🚢.png",
    "../up.png",
    "名" * 200 + ".png",
    ".png",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_kind(client, wide_photo, name):
    reply = httpx.post(
        f"{client.src}gradio_api/upload", files={"files": (name, wide_photo.read_bytes())}, trust_env=False
    )
    file = {"path": reply.raise_for_status().json()[0], "orig_name": name, "meta": {"_type": "gradio.FileData"}}
    shown = client.predict(file, api_name="/ingest")
    assert shown["width"] == 900 and shown["name"].endswith("png") and "/" not in shown["name"]


def test_uploads_that_do_not_fit_are_refused_before_they_are_written(client, wide_photo, monkeypatch):
    def upload():
        return httpx.post(f"{client.src}gradio_api/upload", files={"files": wide_photo.read_bytes()}, trust_env=False)

    assert upload().status_code == 200
    folder = Path(get_upload_folder())
    before = set(folder.iterdir())
    with monkeypatch.context() as full:
        full.setattr("app.state.uploads.shutil.disk_usage", lambda _: SimpleNamespace(free=2**20))
        assert (upload().status_code, upload().text.split(":")[0]) == (507, "The disk is full")
    monkeypatch.setattr("app.state.uploads._FORM", -(2**40))
    assert upload().status_code == 413 and "accepted" in upload().text
    assert set(folder.iterdir()) == before


def test_inspect_sweep_and_compare_an_example(client):
    asked = {"image": "airfield", "question": "How many cars?"}
    shown = client.predict(**asked, box=[10, 10, 60, 70], api_name="/inspect")
    assert shown["cause"] and len(shown["rows"]) == 4
    points = client.predict(**asked, budgets=[100, 2000], truth="four", api_name="/sweep")["points"]
    assert [point["correct"] for point in points] == [True, False]
    methods = client.predict(**asked, api_name="/compare")["methods"]
    assert [method["method"] for method in methods] == list(COMPARED)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"image": "nobody"}, "no image 'nobody'"), ({"question": " "}, "empty"), ({"budget": 0}, "0 tokens"),
     ({"budget": 131_329}, "1 to 131,328"), ({"seed": -1}, "seed")],
)  # fmt: skip
def test_wrong_input_reaches_the_client_as_a_sentence(client, wrong, message):
    with pytest.raises(AppError, match=message):
        client.predict(**{"image": "airfield", "question": "How many?", **wrong}, api_name="/ask")


NAN, INF = float("nan"), float("inf")
WRONG = {
    "/ask": [
        *({"image": value} for value in ([], {}, 5, None, "x" * 10_000)),
        *({"question": value} for value in (5, ["?"], {}, None)),
        *({"budget": value} for value in (12.5, "three", None, True, 10**30, -1, [], [1, 2], {})),
        *({"per_scale": value} for value in (["1", 2, 3, 4], "all", [None] * 4, [0, 0, 0, 0], [True, 1, 1, 1], {}, 5)),
        *({"seed": value} for value in (-1, 1.5, "0", [0], None, 2**31, True)),
        *({"importance": value} for value in (5, [], {"a": 1})),
        {"model": 5},
    ],
    "/inspect": [{"box": value} for value in (None, 5, "box", [], [1, 2, 3], [0, 0, 10**400, 5], ["a", 0, 5, 5],
                                               [0.1, 0.1, 0.2, 0.2], [5, 5, 1, 1], [[0, 0, 5, 5]])],
    "/answer": [{"force": value} for value in (5, [5], [[1, 2, 3]], [[5, 5, 1, 1]], "all", {})]
               + [{"without": [[0, 0, 10**400, 5]]}],
    "/sweep": [{"budgets": value} for value in (None, 5, [1.5], [], list(range(1, 100)), ["x"], {})]
              + [{"truth": 5}, {"boxes": 5}, {"boxes": [5]}],
    "/compare": [{"methods": value} for value in (None, 5, [5], ["uhrbat"] * 65)],
}  # fmt: skip


@pytest.mark.parametrize("api_name", WRONG)
def test_a_wrong_value_of_any_kind_is_one_sentence(client, api_name):
    asked = {"image": "airfield", "question": "How many?"} | ({"box": [1, 1, 9, 9]} if api_name == "/inspect" else {})
    for wrong in WRONG[api_name]:
        try:
            sentence = f"answered: {client.predict(**{**asked, **wrong}, api_name=api_name)}"
        except AppError as refusal:
            sentence = str(refusal)
        assert not sentence.startswith("answered"), wrong
        assert 10 < len(sentence) < 400 and "\n" not in sentence and "verbose error" not in sentence, (wrong, sentence)


def test_half_a_character_does_not_break_a_question(explorer, picture):
    query = explorer.asked(picture, "How many\ud83d?", explorer.settings("nano", "default", "default", "default", 0))
    assert query.question == "How many?"


def test_compared_methods_are_those_of_the_library():
    from uhrbat.selection import baselines

    assert set(COMPARED) - {"uhrbat"} <= set(baselines.BASELINES)


@pytest.mark.slow
def test_many_waiting_callers_do_not_hold_the_page(explorer_of, wide_photo):
    gate = threading.Event()

    class Held(FakeWorker):
        def _work(self, *job):
            gate.wait(300)
            super()._work(*job)

    explorer, url = explorer_of(Held())
    picture = list(explorer.shelf.ingest(wide_photo))[-1]
    clients = [Client(url, verbose=False, httpx_kwargs={"timeout": 120}) for _ in range(2)]
    jobs = [clients[n % 2].submit(image=picture.id, question="How many?", api_name="/ask") for n in range(50)]
    until = time.monotonic() + 120
    while len(explorer.worker().requests) < 50:  # more than the threads that Gradio has by default
        assert time.monotonic() < until
        time.sleep(0.05)
    tile = f"{url}gradio_api/uhr/tile/{picture.id}/0/0/0.jpg"
    assert httpx.get(tile, trust_env=False, timeout=60).status_code == 200
    gate.set()
    assert {job.result(120)["answer"] for job in jobs} == {"five"}


def test_the_calls_of_one_client_share_one_turn(explorer_of):
    explorer, url = explorer_of(FakeWorker())
    for client in (Client(url, verbose=False), Client(url, verbose=False)):
        for _ in range(2):
            client.predict(image="airfield", question="How many?", api_name="/ask")
    sessions = [request.session for _, request in explorer.worker().requests]
    assert sessions[0] == sessions[1] != sessions[2] == sessions[3]


def test_sessions_that_end_without_a_word_are_forgotten_by_gradio_too(tmp_path, monkeypatch):
    monkeypatch.setattr("app.page.MOST_SESSIONS", 3)
    explorer = Explorer(FakeWorker, tmp_path)
    built = build(explorer)
    built.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options(explorer))
    try:
        for number in range(5):
            assert built.state_holder[f"abandoned{number}"]
        assert len(built.state_holder.session_data) <= 4
    finally:
        built.close()
        explorer.close()
