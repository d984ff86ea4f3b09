"""docker/prometheus/prometheus.yml and docker-compose.yml: the key with which /metrics is scraped."""

import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from model.bundle import Bundle
from service.setting_groups import JobSettings
from service.settings import Settings
from tests.builders import ROOT
from tests.fakes import FakeAligner
from tests.service.serving import run_app

KEY = "the-key"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
[SCRAPE] = yaml.safe_load((ROOT / "docker" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))[
    "scrape_configs"
]


def key_file(environment: dict[str, str]) -> tuple[str, str]:
    """Path and content of the file with the key in the container, as compose creates it from .env."""
    [config] = COMPOSE["services"]["prometheus"]["configs"]
    content: str = COMPOSE["configs"][config["source"]]["content"]
    value = re.sub(r"\$\{(\w+):-(\w+)\}", lambda match: environment.get(match[1]) or match[2], content)
    return config["target"], value


def scrape_headers(environment: dict[str, str]) -> dict[str, str]:
    """Header that Prometheus sends."""
    path, key = key_file(environment)
    authorization: dict[str, Any] = SCRAPE["authorization"]
    assert authorization["credentials_file"] == path
    return {"authorization": f"{authorization['type']} {key}"}


@pytest.mark.parametrize(
    ("keys", "metrics", "environment", "status"),
    [
        ((), "key", {}, 200),
        ((KEY,), "key", {"METRICS_KEY": KEY}, 200),
        ((KEY,), "key", {}, 401),
        ((KEY,), "open", {}, 200),
    ],
)
def test_shipped_file_fits_each_configuration(
    tiny_bundle: Bundle, tmp_path: Path, keys: tuple[str, ...], metrics: str, environment: dict[str, str], status: int
) -> None:
    digests = tuple(sha256(key.encode()).hexdigest() for key in keys)
    jobs = JobSettings(folder=tmp_path / "jobs")
    folder = str(tiny_bundle.folder)
    configured = Settings(bundle=folder, jobs=jobs, api_keys=digests, metrics=metrics)
    path = SCRAPE.get("metrics_path", "/metrics")
    with run_app(configured, FakeAligner()) as client:
        response = client.get(path, headers=scrape_headers(environment))
    assert response.status_code == status
    if status == 200:
        assert "can_requests" in {family.name for family in text_string_to_metric_families(response.text)}


def test_targets_are_the_services_of_compose() -> None:
    [discovery] = SCRAPE["dns_sd_configs"]
    [name] = discovery["names"]
    assert discovery["type"] == "A"
    services = {
        service: each
        for service, each in COMPOSE["services"].items()
        if name in each.get("networks", {}).get("default", {}).get("aliases", [])
    }
    assert services.keys() == {"api", "gpu", "slim"}
    assert {each["environment"]["CAN_PORT"] for each in services.values()} == {str(discovery["port"])}
