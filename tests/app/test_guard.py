"""What no visitor of the page sends is refused before anything holds it."""

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from app.guard import BODY_BYTES, CLOSED, LOOPBACK, Guard
from app.state.uploads import PATH


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


def client(hosts=None, closed=CLOSED, name="localhost"):
    routes = [Route("/{path:path}", echo, methods=["GET", "POST"])]
    app = Starlette(routes=routes, middleware=[Middleware(Guard, hosts=hosts, closed=closed)])
    return TestClient(app, base_url=f"http://{name}:7860")


def chunks(size):
    for _ in range(size // 2**16):
        yield bytes(2**16)


def test_a_body_is_limited_by_its_announced_and_its_real_length():
    page = client()
    assert page.post("/gradio_api/call/ask", content=bytes(BODY_BYTES)).text == str(BODY_BYTES)
    for body in (bytes(BODY_BYTES + 1), chunks(2 * BODY_BYTES)):
        refused = page.post("/gradio_api/call/ask", content=body)
        assert (refused.status_code, refused.text.split(":")[0]) == (413, "The request has more than 1 MiB")


def test_an_upload_may_be_larger():
    assert client().post(PATH, content=bytes(3 * BODY_BYTES)).text == str(3 * BODY_BYTES)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "LOCALHOST", "[::1]"])
def test_a_private_page_answers_to_its_machine(name):
    assert client(LOOPBACK, name=name).get("/config").status_code == 200


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example"])
def test_a_private_page_answers_to_no_other_name(name):
    assert client(LOOPBACK, name=name).get("/config").status_code == 421
    assert client(None, name=name).get("/config").status_code == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:7860", 200),
        (None, 200),
        ("http://evil.example", 403),
        ("https://localhost.evil.example", 403),
    ],
)
def test_files_are_uploaded_from_the_page_itself_only(origin, status):
    headers = {"origin": origin} if origin else {}
    assert client().post(PATH, content=b"x", headers=headers).status_code == status


def test_who_calls_what_is_not_said_unless_asked_for():
    for path in ("/monitoring/summary", "/gradio_api/monitoring", "/openapi.json"):
        assert client().get(path).status_code == 404
        assert client(closed=frozenset()).get(path).status_code == 200


def test_answers_say_that_their_type_is_right():
    assert client().get("/config").headers["x-content-type-options"] == "nosniff"
