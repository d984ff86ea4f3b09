"""docs/deploy.md: the order of its commands, and its lines of `.env`."""

import re

import pytest
import yaml

from service.settings import load_settings
from tests.builders import ROOT

DOCUMENT = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", DOCUMENT, re.M | re.S))
BLOCKS = re.compile(r"^```sh\n(.*?)^```", re.M | re.S)
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]


def test_no_block_starts_the_service_before_the_key_is_set() -> None:
    """A block that is copied as a whole must not start a service without keys."""
    section = SECTIONS["Compose with keys"]
    key, start = BLOCKS.findall(section)
    assert " key" in key
    assert " up " not in key
    assert " up " in start
    assert section.index(key) < section.index("paste the line") < section.index(start)


def test_each_image_has_its_commands() -> None:
    section = SECTIONS["Compose with keys"]
    rows = re.findall(r"^\| (\w+), on port (\d+).*\| `(.+)` \| `(.+)` \|$", section, re.M)
    assert {name for name, *_ in rows} == {name for name, each in SERVICES.items() if "CAN_PORT" in read(each)}
    for name, port, key, start in rows:
        assert f":{port}}}:8000" in SERVICES[name]["ports"][0]
        assert key.endswith(f" {name} key")
        assert start.endswith(f" {name}")
        for profile in SERVICES[name].get("profiles", ()):
            assert all(f"--profile {profile} " in command for command in (key, start))


def read(service: dict[str, dict[str, str]]) -> dict[str, str]:
    """Variables of a service."""
    return service.get("environment", {})


def test_lines_behind_nginx_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """docker/test.sh uses the same lines."""
    [block] = re.findall(r"^```\n(CAN_API_KEYS=.*?)^```", SECTIONS["nginx"], re.M | re.S)
    script = (ROOT / "docker" / "test.sh").read_text(encoding="utf-8")
    for line in block.splitlines():
        name, value = line.split("=")
        assert f"{name}={value}" in script or name == "CAN_API_KEYS"
        monkeypatch.setenv(name, "a" * 64 if name == "CAN_API_KEYS" else value)
    settings = load_settings()
    assert settings.root_path == "/emotion"
    assert settings.forwarded_allow_ips == ("172.16.0.0/12", "192.168.0.0/16")
    assert len(settings.api_keys) == 1
