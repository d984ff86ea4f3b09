import json
import re

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from service.results.problems import PROBLEMS
from tests.builders import ROOT, encode, noise

DOCKER = ROOT / "docker"


def read(client: TestClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def test_what_is_counted(client: TestClient) -> None:
    words = '[{"word": "the", "start": 0.5, "end": 0.9}]'
    assert client.post("/predict", files={"file": encode(noise(2.0))}, data={"words": words}).status_code == 200
    assert client.post("/predict", files={"file": encode(noise(3.0))}).status_code == 200
    assert client.post("/predict", files={"file": b"not audio"}).status_code == 415
    assert client.get("/made/up").status_code == 404
    found = read(client)

    def value(name: str, **labels: str) -> float:
        return found[name, frozenset(labels.items())]

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
    [labels] = [dict(labels) for name, labels in found if name == "can_model_info"]
    assert (labels["name"], labels["provider"]) == ("tiny", "CPUExecutionProvider")


def expressions() -> list[str]:
    """Everything that the dashboard draws and the alerts look at."""
    panels = json.loads((DOCKER / "grafana" / "dashboard.json").read_text())["panels"]
    drawn = [target["expr"] for panel in panels for target in panel["targets"]]
    watched = re.findall(r"^ +expr: (.+)$", (DOCKER / "prometheus" / "alerts.yml").read_text(), re.M)
    assert len(drawn) > 10
    assert len(watched) > 2
    return drawn + watched


def test_the_dashboard_and_the_alerts_ask_for_what_there_is(client: TestClient) -> None:
    client.post("/predict", files={"file": encode(noise(1.0))})
    client.post("/predict", files={"file": b"not audio"})
    labels: dict[str, set[str]] = {"can_jobs_total": {"status"}}
    for name, pairs in read(client):
        labels.setdefault(name, set()).update(label for label, _ in pairs)
    for expression in expressions():
        asked = re.findall(r"\b((?:can|process)_\w+)(?:\{(\w+)=)?", expression)
        assert asked, expression
        for name, label in asked:
            assert name in labels, expression
            assert not label or label in labels[name], expression
        for label in re.findall(r"by \((?:le, )?(\w+)\)", expression):
            assert any(label in labels[name] for name, _ in asked), expression


def test_the_codes_that_alerts_look_for_exist() -> None:
    codes = {code for expression in expressions() for code in re.findall(r'code="([^"]+)"', expression)}
    assert codes
    assert codes <= {problem.code for problem in PROBLEMS.values()}
