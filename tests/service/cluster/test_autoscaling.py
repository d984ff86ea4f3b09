"""`serve build` and autoscaling, as docs/scaling.md describes them, on one Ray node."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count, takewhile
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import psutil
import pytest
import yaml

from benchmarks.server_process import free_port
from tests.builders import ROOT, speech
from tests.service.cluster.cluster_fixture import environment
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed: make install-cluster"),
]
LIMIT_S = 240.0
CLIENTS = 3


def build(folder: Path) -> dict[str, Any]:
    """The configuration that the documented command writes."""
    file = folder / "serve.yaml"
    command = [sys.executable, "-m", "ray.serve.scripts", "build", "service.cluster:application", "-o", str(file)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    config: dict[str, Any] = yaml.safe_load(file.read_text())
    return config


def documented_changes() -> dict[str, Any]:
    """The block of docs/scaling.md that replaces parts of the file."""
    text = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    [block] = [each for each in re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S) if "runtime_env" in each]
    changes: dict[str, Any] = yaml.safe_load(block)["applications"][0]
    return changes


def apply_changes(config: dict[str, Any], port: int) -> None:
    """Make the documented changes, without a GPU, with at most two aligners and short times of measurement."""
    changes = documented_changes()
    [application] = config["applications"]
    assert changes["import_path"] == application["import_path"]
    application["runtime_env"] = changes["runtime_env"] | {"env_vars": {"CAN_ALIGNER": "moonshine"}}
    deployments = {each["name"]: each for each in application["deployments"]}
    [change] = changes["deployments"]
    scaling = {"min_replicas": 1, "max_replicas": 2, "target_ongoing_requests": 1, "upscale_delay_s": 1}
    times = {"metrics_interval_s": 0.5, "look_back_period_s": 2.0}
    assert change["autoscaling_config"].keys() >= {"min_replicas", "max_replicas", "target_ongoing_requests"}
    deployments[change["name"]] |= {"autoscaling_config": change["autoscaling_config"] | scaling | times}
    config["http_options"] = {"host": "127.0.0.1", "port": port}
    config["proxy_location"] = "HeadOnly"


@contextmanager
def run_one_node(config: Path, log: Path) -> Iterator[Callable[[], int]]:
    """Run the cluster for the duration of the block; yields the number of running aligners."""
    command = [sys.executable, "-m", "tests.service.cluster.one_node", str(config)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with log.open("w") as errors, subprocess.Popen(command, stderr=errors, env=environment(), **pipes) as node:
        assert node.stdin is not None
        assert node.stdout is not None
        requests, replies = node.stdin, node.stdout
        try:
            assert replies.readline() == "ready\n", log.read_text()
            processes = psutil.Process(node.pid).children(recursive=True)

            def count_aligners() -> int:
                requests.write("count\n")
                requests.flush()
                return int(replies.readline())

            yield count_aligners
        finally:
            requests.close()
            node.wait(LIMIT_S)
    _, alive = psutil.wait_procs(processes, timeout=20)
    for process in alive:
        process.kill()
    assert not alive


def test_built_file_scales_with_the_load(tmp_path: Path) -> None:
    port = free_port()
    config = build(tmp_path)
    apply_changes(config, port)
    (tmp_path / "edited.yaml").write_text(yaml.safe_dump(config))
    scaled = Event()
    with (
        run_one_node(tmp_path / "edited.yaml", tmp_path / "log") as count_aligners,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=LIMIT_S) as client,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):
        wait_until(lambda: client.get("/health/ready").status_code == 200, LIMIT_S)
        assert count_aligners() == 1

        def send(_: int) -> list[int]:
            data = speech("numbers")
            repeated = takewhile(lambda _: not scaled.is_set(), count())
            return [client.post("/predict", files={"file": data}).status_code for _ in repeated]

        futures = [pool.submit(send, number) for number in range(CLIENTS)]
        try:
            wait_until(lambda: count_aligners() == 2, LIMIT_S)
        finally:
            scaled.set()
        statuses = [status for future in futures for status in future.result()]
    assert set(statuses) == {200}


def test_application_and_builder_are_the_same() -> None:
    from ray.serve import Application
    from ray.serve._private.api import call_user_app_builder_with_args_if_necessary

    import service.cluster

    assert isinstance(service.cluster.application, Application)
    assert service.cluster.application is service.cluster.application
    builder: Any = service.cluster.app
    built = call_user_app_builder_with_args_if_necessary(builder, {"aligner": "moonshine"})
    assert isinstance(built, Application)
    with pytest.raises(AttributeError, match="no attribute 'applications'"):
        _ = service.cluster.applications


def test_wrong_argument_is_named_as_it_is_written() -> None:
    from service.cluster import app
    from service.errors import SettingsError

    with pytest.raises(SettingsError, match=r"^max_waiting='many' is not a whole number from 1 to 10000$"):
        app({"max_waiting": "many"})
