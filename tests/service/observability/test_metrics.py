import json
import re

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from service.results.problems import PROBLEMS
from tests.builders import ROOT, encode, noise
from tests.waiting import wait_until

DOCKER = ROOT / "docker"


def read(client: TestClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def test_metrics_of_requests(client: TestClient) -> None:
    words = '[{"word": "the", "start": 0.5, "end": 0.9}]'
    assert client.post("/predict", files={"file": encode(noise(2.0))}, data={"words": words}).status_code == 200
    assert client.post("/predict", files={"file": encode(noise(3.0))}).status_code == 200
    assert client.post("/predict", files={"file": b"not audio"}).status_code == 415
    assert client.get("/missing").status_code == 404
    samples = read(client)

    def value(name: str, **labels: str) -> float:
        return samples[name, frozenset(labels.items())]

    assert value("can_requests_total", method="POST", path="/predict", status="200") == 2
    assert value("can_requests_total", method="GET", path="other", status="404") == 1
    assert value("can_rejected_total", code="not-audio") == 1
    assert value("can_audio_seconds_total") == 5
    assert value("can_request_seconds_count", path="/predict") == 3
    assert value("can_real_time_factor_count") == 2
    for stage in ("decode", "features", "classify", "queue", "total"):
        assert value("can_stage_seconds_count", stage=stage) == 2
    assert value("can_stage_seconds_count", stage="recognise") == 1
    assert value("can_batch_requests_count") == 2
    assert value("can_under_way") == 0
    for stage in ("prepare", "recognise", "classify"):
        assert value("can_queue_depth", stage=stage) == 0
    [labels] = [dict(labels) for name, labels in samples if name == "can_model_info"]
    assert (labels["name"], labels["provider"]) == ("tiny", "CPUExecutionProvider")


def expressions() -> list[str]:
    """Expressions of the dashboard and of the alerts."""
    panels = json.loads((DOCKER / "grafana" / "dashboard.json").read_text())["panels"]
    panel_expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    alerts = re.findall(r"^ +expr: (.+)$", (DOCKER / "prometheus" / "alerts.yml").read_text(), re.M)
    assert len(panel_expressions) > 10
    assert len(alerts) > 2
    return panel_expressions + alerts


def test_dashboard_and_alerts_use_existing_metrics(client: TestClient) -> None:
    location = client.post("/jobs", files={"file": encode(noise(1.0))}).headers["location"]
    wait_until(lambda: client.get(location).json()["status"] == "done")
    client.post("/predict", files={"file": encode(noise(1.0))})
    client.post("/predict", files={"file": b"not audio"})
    labels: dict[str, set[str]] = {}
    for name, pairs in read(client):
        labels.setdefault(name, set()).update(label for label, _ in pairs)
    for expression in expressions():
        selectors = re.findall(r"\b((?:can|process)_\w+)(?:\{(\w+)=)?", expression)
        # `up` is Prometheus' own.
        assert selectors or re.search(r'\bup\{job="can-ser"\}', expression), expression
        for name, label in selectors:
            assert name in labels, expression
            assert not label or label in labels[name], expression
        for label in re.findall(r"by \((?:le, )?(\w+)\)", expression):
            assert any(label in labels[name] for name, _ in selectors), expression


def test_problem_codes_of_expressions_exist() -> None:
    codes = {code for expression in expressions() for code in re.findall(r'code="([^"]+)"', expression)}
    assert codes
    assert codes <= {problem.code for problem in PROBLEMS.values()}
