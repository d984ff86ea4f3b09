"""Jobs with callbacks to a local receiver."""

from typing import Any

from fastapi.testclient import TestClient

from service.setting_groups import JobSettings
from service.settings import Settings
from tests.builders import encode, noise
from tests.service.jobs.receiver import Receiver, allow
from tests.waiting import wait_until

DATA = encode(noise(2.0))


def with_jobs(settings: Settings, jobs: JobSettings) -> Settings:
    return settings.model_copy(update={"jobs": jobs})


def allowing(settings: Settings, port: int, **fields: Any) -> Settings:
    return with_jobs(settings, allow(settings.jobs, f"http://127.0.0.1:{port}", **fields))


def submit(client: TestClient, callback: str) -> str:
    response = client.post("/jobs", files={"file": DATA}, data={"callback": callback})
    assert response.status_code == 202, response.text
    return str(response.headers["location"])


def delivery(client: TestClient, location: str) -> Any:
    return client.get(location).json()["callback"]


def wait_for(client: TestClient, location: str, *statuses: str) -> Any:
    wait_until(lambda: delivery(client, location)["status"] in statuses)
    return delivery(client, location)


def message_ids(receiver: Receiver) -> list[str]:
    return [headers["webhook-id"] for _, headers, _ in receiver.requests]
