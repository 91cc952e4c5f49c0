import time

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from app.explorer import Explorer
from app.page import build, launch_options
from app.values import METHODS
from tests.app.fake_worker import FakeWorker


@pytest.fixture(scope="module")
def explorer_of(tmp_path_factory):
    """Starts an explorer on a worker; gives it and its address."""
    running = []

    def start(worker):
        explorer = Explorer(lambda: worker, tmp_path_factory.mktemp("tiles"))
        page = build(explorer)
        page.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options(explorer))
        running.append((page, explorer))
        return explorer, page.local_url

    yield start
    for page, explorer in running:
        page.close()
        explorer.close()


@pytest.fixture(scope="module")
def client(explorer_of):
    """A client of a running explorer."""
    return Client(explorer_of(FakeWorker())[1], verbose=False)


def test_the_endpoints_are_the_five_and_nothing_else(client):
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(named) == {"/ingest", "/ask", "/inspect", "/sweep", "/compare"}


def test_ingest_and_ask(client, wide_photo):
    image = client.predict(handle_file(str(wide_photo)), api_name="/ingest")
    assert (image["width"], image["height"], image["tokens"]) == (900, 500, 131_328)
    told = client.predict(image=image["image"], question="How many cars?", budget=500, api_name="/ask")
    assert told["answer"] == "four" and sum(told["budgets"]) == 500 and "generated scenes" in told["caveat"]
    told = client.predict(image=image["image"], question="How many?", per_scale=[0, 0, 0, 9], api_name="/ask")
    assert told["budgets"] == [0, 0, 0, 9]


def test_inspect_sweep_and_compare_an_example(client):
    asked = {"image": "airfield", "question": "How many cars?"}
    told = client.predict(**asked, box=[10, 10, 60, 70], api_name="/inspect")
    assert told["cause"] and len(told["rows"]) == 4
    points = client.predict(**asked, budgets=[100, 2000], truth="four", api_name="/sweep")["points"]
    assert [point["correct"] for point in points] == [True, False]
    methods = client.predict(**asked, api_name="/compare")["methods"]
    assert [method["method"] for method in methods] == list(METHODS)


@pytest.mark.parametrize(
    "wrong, message",
    [({"image": "nobody"}, "no image 'nobody'"), ({"question": " "}, "empty"), ({"budget": 0}, "1 to 131,328"),
     ({"budget": 131_329}, "1 to 131,328"), ({"seed": -1}, "seed")],
)  # fmt: skip
def test_wrong_input_reaches_the_client_as_a_sentence(client, wrong, message):
    with pytest.raises(AppError, match=message):
        client.predict(**{"image": "airfield", "question": "How many?", **wrong}, api_name="/ask")


def test_compared_methods_are_those_of_the_library():
    baselines = pytest.importorskip("uhrbat.baselines")
    assert set(METHODS) - {"uhrbat"} <= set(baselines.BASELINES)


def test_many_waiting_callers_do_not_hold_the_page(explorer_of, wide_photo):
    explorer, url = explorer_of(FakeWorker(step_seconds=0.3, steps=4))
    picture = list(explorer.shelf.ingest(wide_photo))[-1]
    client = Client(url, verbose=False)
    jobs = [client.submit(image=picture.id, question="How many?", api_name="/ask") for _ in range(60)]
    until = time.monotonic() + 30
    while len(explorer.worker().requests) < 60:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert httpx.get(f"{url}gradio_api/uhr/tile/{picture.id}/0/0/0.jpg", trust_env=False, timeout=3).status_code == 200
    assert {job.result(30)["answer"] for job in jobs} == {"five"}


def test_the_calls_of_one_client_share_one_turn(explorer_of):
    explorer, url = explorer_of(FakeWorker())
    for client in (Client(url, verbose=False), Client(url, verbose=False)):
        for _ in range(2):
            client.predict(image="airfield", question="How many?", api_name="/ask")
    sessions = [request.session for _, request in explorer.worker().requests]
    assert sessions[0] == sessions[1] != sessions[2] == sessions[3]
