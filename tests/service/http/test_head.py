"""HEAD for every address that GET has."""

from collections.abc import Iterator

import pytest
from fastapi.routing import iter_route_contexts

from model.bundle import Bundle
from service.app import create_app
from service.setting_groups import JobSettings
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.serving import RunningServer, run_server
from tests.waiting import wait_until

CHANGING = {"date", "x-request-id"}
FILES = ["/static/style.css", "/docs/files/swagger-ui.css"]


def list_addresses() -> list[str]:
    """Every address that GET has, as the routes name it, and files."""
    contexts = iter_route_contexts(create_app(Settings()).routes)
    return FILES + sorted({each.path for each in contexts if each.path and "GET" in (each.methods or ())})


@pytest.fixture(scope="module")
def server(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose log has only errors."""
    jobs = JobSettings(folder=tmp_path_factory.mktemp("jobs"))
    settings = Settings(bundle=str(tiny_bundle.folder), jobs=jobs, log_level="error")
    with run_server(settings, FakeAligner()) as running:
        yield running


@pytest.fixture(scope="module")
def job(server: RunningServer) -> str:
    """Id of a job with a result."""
    location = server.client.post("/jobs", files={"file": encode(noise(1.0))}).headers["location"]
    wait_until(lambda: server.client.get(location).json()["status"] == "done")
    return location.rpartition("/")[2]


@pytest.mark.parametrize("address", [*list_addresses(), "/nowhere", "/jobs/unknown"])
def test_head_has_status_and_headers_of_get(server: RunningServer, job: str, address: str) -> None:
    path = address.replace("{job_id}", job)
    # Their values change with every request.
    changing = CHANGING | ({"content-length"} if path == "/metrics" else set())
    got, head = server.client.get(path), server.client.head(path)
    assert head.status_code == got.status_code
    assert head.content == b""
    assert set(head.headers) == set(got.headers)
    assert {**head.headers} | dict.fromkeys(changing, "") == {**got.headers} | dict.fromkeys(changing, "")
    wait_until(lambda: server.state.reads.held == 0)


def test_addresses_are_complete() -> None:
    assert {"/", "/docs", "/health/ready", "/jobs/{job_id}", "/metrics", "/model", "/openapi.json"} <= set(
        list_addresses()
    )


def test_head_sends_no_body_and_keeps_the_connection(server: RunningServer) -> None:
    """As `curl -I` reads it: a body would be taken for the next response."""
    head = b"HEAD /health/ready HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    received = server.exchange(head + head + last)
    assert received.count(b"HTTP/1.1 200 OK") == 3
    assert received.count(b'{"status":"') == 1
    assert received.endswith(b'{"status":"live"}')


def test_head_is_counted_by_its_own_name(server: RunningServer) -> None:
    server.client.head("/model")
    assert 'can_requests_total{method="HEAD",path="/model",status="200"}' in server.client.get("/metrics").text


@pytest.mark.parametrize(
    ("method", "address", "allowed"), [("HEAD", "/predict", "POST"), ("PUT", "/model", "GET, HEAD")]
)
def test_allowed_methods_include_head(server: RunningServer, method: str, address: str, allowed: str) -> None:
    response = server.client.request(method, address)
    assert (response.status_code, response.headers["allow"]) == (405, allowed)
