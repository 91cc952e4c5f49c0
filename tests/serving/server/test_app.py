import hashlib
import json

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from tests.support import fake_engine
from uhrbat.serving import codec
from uhrbat.serving.limits import Limits
from uhrbat.serving.server.app import make_app
from uhrbat.serving.server.models import Offer
from uhrbat.serving.server.service import Service

SECRET = "the-secret"


@pytest.fixture
def service(tmp_path):
    service = Service(Limits(store_folder=str(tmp_path), upload_bytes=100_000), Offer(), fake_engine.load)
    yield service
    service.close()


@pytest.fixture
def open_client(service):
    return TestClient(make_app(service), base_url="http://127.0.0.1")


@pytest.fixture
def client(service):
    return TestClient(make_app(service, SECRET, ("*",)), headers={"Authorization": f"Bearer {SECRET}"})


def put(client, content):
    return client.put(f"/v1/images/{hashlib.sha256(content).hexdigest()}", content=content)


@pytest.mark.parametrize("given", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": SECRET}])
def test_everything_but_health_wants_the_secret(service, given):
    client = TestClient(make_app(service, SECRET, ("*",)), headers=given)
    for method, path in (
        ("GET", "/metrics"),
        ("GET", "/v1/models"),
        ("GET", f"/v1/images/{'0' * 64}"),
        ("PUT", f"/v1/images/{'0' * 64}"),
        ("POST", "/v1/ask"),
    ):
        reply = client.request(method, path, json={} if method == "POST" else None)
        assert reply.status_code == 401
        assert "UHRBAT_WORKER_TOKEN" in reply.json()["message"]
    assert set(client.get("/health").json()) >= {"status", "schema_version"}
    assert client.get("/health").json()["uptime_seconds"] is None


def test_with_the_secret_health_says_more(client):
    assert client.get("/health").json()["uptime_seconds"] is not None


def test_a_page_under_another_name_cannot_reach_a_worker_on_loopback(service):
    client = TestClient(make_app(service), base_url="http://evil.example")
    assert client.get("/health").status_code == 400


def test_stores_an_image_once(open_client, picture):
    content = picture.read_bytes()
    name = hashlib.sha256(content).hexdigest()
    assert open_client.get(f"/v1/images/{name}").status_code == 404
    assert put(open_client, content).json() == {"image": name}
    assert open_client.get(f"/v1/images/{name}").json() == {"image": name}


def test_uploads_are_checked(open_client, service):
    assert put(open_client, b"no image").json()["kind"] == "image"
    assert put(open_client, b"x" * 100_001).json()["message"].startswith("the file has more than")
    assert open_client.put(f"/v1/images/{'0' * 64}", content=b"other").json()["kind"] == "input"
    assert open_client.put("/v1/images/passwd", content=b"x").json()["kind"] == "input"
    assert open_client.put("/v1/images/..%2F..%2Fetc", content=b"x").status_code in (404, 422)

    def unannounced():
        yield b"x" * 60_000
        yield b"x" * 60_000

    assert open_client.put(f"/v1/images/{'0' * 64}", content=unannounced()).json()["kind"] == "image"
    assert list(service.store.folder.iterdir()) == []


def test_a_form_of_another_site_cannot_post(open_client):
    reply = open_client.post("/v1/ask", content="{}", headers={"Content-Type": "text/plain"})
    assert reply.status_code == 415


def test_requests_are_checked(open_client):
    assert open_client.post("/v1/launch", json={}).status_code == 404
    for body, why in (
        ({}, "query: field required"),
        ({"query": {"image": "/etc/passwd", "question": "x"}}, "query.image: string should match"),
        ({"query": {"image": "0" * 64, "question": " "}}, "the question is empty: type one"),
        ({"query": {"image": "0" * 64, "question": "x", "path": "/etc"}}, "query.path: extra inputs"),
        ({"query": {"image": "0" * 64, "question": "x"}, "path": "/etc"}, "path: extra inputs"),
        ({"query": {"image": "0" * 64, "question": "x"}, "budget": 0}, "a budget of 0 tokens is not usable"),
    ):
        reply = open_client.post("/v1/ask", json=body)
        assert reply.status_code == 422
        assert reply.json()["message"].startswith(why)
    assert open_client.post("/v1/ask", json={"question": "x" * 2**20}).status_code == 413


def test_a_job_is_a_stream_of_lines(open_client, picture):
    image = put(open_client, picture.read_bytes()).json()["image"]
    asked = {"query": {"image": image, "question": "how many?"}, "budget": 400}
    lines = codec.Lines().feed(open_client.post("/v1/ask", json=asked).content)
    assert {line.type for line, _ in lines[:-1]} == {"progress"}
    assert lines[-1][0].type == "result"
    assert lines[-1][0].bytes == len(lines[-1][1]) > 100_000


def test_a_failed_job_is_a_line_too(open_client):
    asked = {"query": {"image": "0" * 64, "question": "how many?"}}
    last = open_client.post("/v1/ask", json=asked).text.splitlines()[-1]
    assert json.loads(last)["value"]["kind"] == "unknown-image"


def test_metrics_are_prometheus_text_and_hold_all_that_is_watched(client, picture):
    image = put(client, picture.read_bytes()).json()["image"]
    for _ in range(2):
        client.post(
            "/v1/ask", json={"query": {"image": image, "question": "where is the treasure?"}, "session": "pirate"}
        )
    client.request("HACK", "/v1/../etc/passwd")
    reply = client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain")
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }
    assert values["uhrbat_requests_total", "PUT", "/v1/images/{image}", "200"] == 1
    assert values["uhrbat_requests_total", "POST", "/v1/{action}", "200"] == 2
    assert values["uhrbat_requests_total", "other", "none", "404"] == 1
    assert values["uhrbat_jobs_total", "ask", "done"] == values["uhrbat_job_seconds_count", "ask"] == 2
    assert values["uhrbat_stage_seconds_count", "encode"] == values["uhrbat_stage_seconds_count", "score"] == 1
    assert values["uhrbat_scene_lookups_total", "hit"] == values["uhrbat_scene_lookups_total", "miss"] == 1
    assert values["uhrbat_jobs_queued",] == values["uhrbat_jobs_running",] == values["uhrbat_out_of_memory_total",] == 0
    assert values["uhrbat_scene_bytes_host",] > 0 == values["uhrbat_scene_bytes_device",]
    assert values["uhrbat_memory_bytes",] > 10**6
    assert values["uhrbat_store_bytes",] == picture.stat().st_size
    assert not any(secret in reply.text for secret in ("treasure", "pirate", image, "passwd", "HACK"))


def test_a_job_that_ran_out_of_memory_is_counted(client, picture):
    image = put(client, picture.read_bytes()).json()["image"]
    last = client.post("/v1/ask", json={"query": {"image": image, "question": "oom"}}).text.splitlines()[-1]
    assert "ran out of memory" in json.loads(last)["value"]["message"]
    assert "uhrbat_out_of_memory_total 1.0" in client.get("/metrics").text


def test_nothing_that_is_stored_or_asked_is_listed_to_another(client, picture):
    image = put(client, picture.read_bytes()).json()["image"]
    client.post("/v1/ask", json={"query": {"image": image, "question": "where is the treasure?"}, "session": "pirate"})
    for path in ("/", "/v1", "/v1/", "/v1/images", "/v1/images/", "/v1/jobs", "/v1/sessions", "/docs", "/openapi.json"):
        assert client.get(path).status_code in (404, 405)
    for path in ("/health", "/v1/models", "/metrics"):
        assert not any(secret in client.get(path).text for secret in ("treasure", "pirate", image, picture.name))


def test_secrets_are_compared_in_constant_time(service, monkeypatch):
    compared = []

    def compare(given, expected):
        compared.append((given, expected))
        return given == expected

    monkeypatch.setattr("uhrbat.serving.server.app.hmac.compare_digest", compare)
    client = TestClient(make_app(service, SECRET, ("*",)))
    for given in ("Bearer wrong", "Bearer é", f"Bearer {SECRET}"):
        client.get("/metrics", headers={"Authorization": given.encode()})
    assert [expected for _, expected in compared] == [f"Bearer {SECRET}".encode()] * 3


def test_whatever_goes_wrong_no_path_or_trace_is_shown(service, picture, monkeypatch):
    client = TestClient(make_app(service), base_url="http://127.0.0.1", raise_server_exceptions=False)
    image = put(client, picture.read_bytes()).json()["image"]
    texts = [
        client.post("/v1/ask", json={"query": {"image": image, "question": word}}).text for word in ("crash", "oom")
    ]
    texts.append(put(client, b"II*\x00 no image at all").text)

    def broken(*_):
        raise OSError(28, "No space left on device", str(service.store.folder))

    monkeypatch.setattr(service.store, "incoming", broken)
    monkeypatch.setattr(service, "infos_of_models", broken)
    texts += [put(client, picture.read_bytes()).text, client.get("/v1/models").text]
    assert 'uhrbat_requests_total{method="GET",route="/v1/models",status="500"} 1.0' in service.metrics()
    for text in texts:
        assert not any(word in text for word in ("Traceback", "/secret", str(service.store.folder), ".py"))
