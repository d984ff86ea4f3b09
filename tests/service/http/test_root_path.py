"""The service behind a proxy under a prefix, which the proxy removes or keeps, and sets or does not set in a header."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, NamedTuple

import httpx
import pytest
from websockets.sync.client import connect

from model.bundle import Bundle
from service.setting_groups import JobSettings
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner
from tests.service.serving import RunningServer, read_events, run_server

WAV = encode(noise(1.0))
KEY = "the-key"
HEADERS = {"x-api-key": KEY}


class Proxy(NamedTuple):
    """Requests as a proxy forwards them.

    Attributes:
        server: The service.
        path: Start of the paths that it receives.
        headers: Headers that the proxy adds.
    """

    server: RunningServer
    path: str
    headers: dict[str, str]

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Response to a request with the key."""
        headers = self.headers | HEADERS | options.pop("headers", {})
        return self.server.client.request(method, f"{self.path}{path}", headers=headers, **options)


@pytest.fixture(scope="module", params=["setting, kept", "setting, removed", "header, kept", "header, removed"])
def proxy(
    request: pytest.FixtureRequest, tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    """A proxy at /emotion/."""
    source, form = request.param.split(", ")
    settings = Settings(
        bundle=str(tiny_bundle.folder),
        root_path="/emotion" if source == "setting" else "",
        api_keys=(sha256(KEY.encode()).hexdigest(),),
        jobs=JobSettings(folder=tmp_path_factory.mktemp("jobs")),
        log_level="error",
    )
    headers = {"x-forwarded-prefix": "/emotion"} if source == "header" else {}
    with run_server(settings, FakeAligner()) as server:
        yield Proxy(server, "/emotion" if form == "kept" else "", headers)


def test_location_of_a_job_has_the_prefix(proxy: Proxy) -> None:
    created = proxy.request("POST", "/jobs", files={"file": WAV})
    location = created.headers["location"]
    assert (created.status_code, location) == (202, f"/emotion/jobs/{created.json()['id']}")
    assert proxy.request("GET", location.removeprefix("/emotion")).json()["id"] == created.json()["id"]


def test_redirects_have_the_prefix(proxy: Proxy) -> None:
    headers = {"host": "example.org", "x-forwarded-proto": "https"}
    redirected = proxy.request("GET", "/model/", headers=headers)
    assert redirected.headers["location"] == "https://example.org/emotion/model"


def test_document_names_the_prefix_as_server(proxy: Proxy) -> None:
    assert proxy.request("GET", "/openapi.json").json()["servers"] == [{"url": "/emotion"}]


@pytest.mark.parametrize(
    "path", ["/", "/static/style.css", "/docs", "/docs/files/swagger-ui.css", "/health/ready", "/model"]
)
def test_addresses_are_served(proxy: Proxy, path: str) -> None:
    assert proxy.request("GET", path).status_code == 200


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_name_only_relative_addresses(proxy: Proxy, path: str) -> None:
    text = proxy.request("GET", path).text
    assert 'src="static/' in text
    assert 'src="/' not in text
    assert 'href="/' not in text


def test_events_and_live_speech(proxy: Proxy) -> None:
    response = proxy.request("POST", "/predict", files={"file": WAV}, headers={"accept": "text/event-stream"})
    assert read_events(response.text)[-1][0] == "result"
    address = f"{proxy.server.url.replace('http', 'ws')}{proxy.path}/stream"
    with connect(address, additional_headers=proxy.headers | HEADERS) as session:
        session.send('{"type": "end"}')
        assert '"done"' in str(session.recv())


def test_key_is_required_under_the_prefix(proxy: Proxy) -> None:
    for path in ("/model", "/metrics", "/jobs/x"):
        assert proxy.request("GET", path, headers={"x-api-key": "wrong"}).status_code == 401
    assert proxy.request("GET", "/health/live", headers={"x-api-key": "wrong"}).status_code == 200


def test_problems_name_addresses_with_the_prefix(proxy: Proxy) -> None:
    problem = proxy.request("GET", "/modle").json()
    assert problem["instance"] == "/emotion/modle"
    assert problem["detail"] == (
        "there is nothing at /emotion/modle; did you mean /emotion/model? /emotion/docs lists all addresses"
    )


def test_limits_of_jobs_apply_under_the_prefix(proxy: Proxy) -> None:
    """A recording between both limits of uploads is accepted as a job."""
    limits = proxy.server.state.settings
    body, kind = b"x" * (limits.max_upload_bytes + 1), "multipart/form-data; boundary=x"
    refused = proxy.request("POST", "/predict", content=body, headers={"content-type": kind})
    assert refused.json()["code"] == "upload-too-large"
    accepted = proxy.request("POST", "/jobs", content=body, headers={"content-type": kind})
    assert accepted.json()["code"] == "malformed-form"


def test_prefix_itself_leads_to_the_page(proxy: Proxy) -> None:
    redirected = proxy.server.client.get("/emotion", headers=proxy.headers | HEADERS)
    assert (redirected.status_code, redirected.headers["location"]) == (308, "/emotion/")


@pytest.mark.parametrize(
    ("trusted", "prefix", "expected"),
    [
        (("127.0.0.1",), "/a/b/", "/a/b"),
        (("*",), "/a", "/a"),
        (("127.0.0.0/8",), "/a", "/a"),
        (("10.0.0.0/8",), "/a", ""),
        ((), "/a", ""),
        (("127.0.0.1",), "//evil.example", ""),
        (("127.0.0.1",), "https://evil.example", ""),
        (("127.0.0.1",), "/a/../b", ""),
        (("127.0.0.1",), "/a, /b", ""),
        (("127.0.0.1",), "/a" * 200, ""),
        (("127.0.0.1",), "/", ""),
    ],
)
def test_header_counts_only_from_trusted_peers(
    settings: Settings, trusted: tuple[str, ...], prefix: str, expected: str
) -> None:
    with run_server(settings.model_copy(update={"forwarded_allow_ips": trusted}), FakeAligner()) as server:
        created = server.client.post("/jobs", files={"file": WAV}, headers={"x-forwarded-prefix": prefix})
    assert created.headers["location"] == f"{expected}/jobs/{created.json()['id']}"


def test_setting_precedes_header(settings: Settings) -> None:
    with run_server(settings.model_copy(update={"root_path": "/own"}), FakeAligner()) as server:
        document = server.client.get("/openapi.json", headers={"x-forwarded-prefix": "/other"}).json()
    assert document["servers"] == [{"url": "/own"}]
