from collections.abc import Iterator

import pytest

from model.bundle import Bundle
from tests.fakes import FakeAligner
from tests.service.http.impatience import impatient_settings
from tests.service.serving import RunningServer, run_server
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def shared_server(tiny_bundle: Bundle) -> Iterator[RunningServer]:
    """One server with short limits for all tests of a module, so that leaks of one test affect the others."""
    with run_server(impatient_settings(str(tiny_bundle.folder)), FakeAligner()) as running:
        yield running


@pytest.fixture
def impatient_server(shared_server: RunningServer) -> Iterator[RunningServer]:
    """The shared server; after the test, nothing is open or in progress."""
    yield shared_server
    wait_until(lambda: shared_server.connections <= 1 and shared_server.state.live_connections == 0)
    assert shared_server.state.scheduler.admission.in_progress == 0
