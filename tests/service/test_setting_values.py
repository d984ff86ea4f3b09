"""Settings as people type them: lists with commas, choices in any case, and a line for each wrong value."""

import json
import traceback
from operator import attrgetter
from typing import Any, Literal, get_origin

import pytest
import typer
from typer.testing import CliRunner

from service.cli.app import app
from service.errors import SettingsError
from service.settings import load_settings
from tests.service.test_settings import all_fields, other_value

FIRST, SECOND = "0" * 64, "Ab" * 32
LISTS = [name for name, field in all_fields().items() if get_origin(field.annotation) is tuple]
CHOICES = [name for name, field in all_fields().items() if get_origin(field.annotation) is Literal]
WRONG = "?!"


def message_of(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    """Message about wrong variables."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    return str(caught.value)


@pytest.mark.parametrize("typed", ["{},{}", "{}, {}", " {} ,{},", '["{}","{}"]', ' ["{}", "{}"] '])
def test_list_is_typed_with_commas_or_as_json(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.setenv("CAN_API_KEYS", typed.format(FIRST, SECOND))
    assert load_settings().api_keys == (FIRST, SECOND)


@pytest.mark.parametrize("name", LISTS)
def test_every_list_is_typed_in_both_ways(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    entry = other_value(all_fields()[name])
    monkeypatch.setenv(name, f"{entry},{entry}")
    with_commas = load_settings()
    monkeypatch.setenv(name, json.dumps([entry, entry]))
    assert load_settings() == with_commas
    assert attrgetter(name.removeprefix("CAN_").lower().replace("__", "."))(with_commas) == (entry, entry)


@pytest.mark.parametrize("name", CHOICES)
def test_choice_is_typed_in_any_case(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    value = other_value(all_fields()[name])
    monkeypatch.setenv(name, value)
    expected = load_settings()
    monkeypatch.setenv(name, f" {value.upper()}")
    assert load_settings() == expected


@pytest.mark.parametrize(
    ("typed", "origin"),
    [
        ("https://Example.org/", "https://example.org"),
        ("https://example.org:443", "https://example.org"),
        ("http://example.org:8080", "http://example.org:8080"),
        ("http://[::1]:80", "http://[::1]"),
        ("HTTPS://[2001:DB8::1]", "https://[2001:db8::1]"),
    ],
)
def test_origin_is_written_as_browsers_send_it(typed: str, origin: str) -> None:
    assert load_settings({"origins": typed}).origins == (origin,)


@pytest.mark.parametrize("typed", ["example.org", "*", "https://", "https://a.org/page", "https://u@a.org", "http://["])
def test_text_that_is_no_origin_is_refused(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    line = message_of(monkeypatch, CAN_ORIGINS=f"https://a.org,{typed}")
    assert line == f"entry 2 of CAN_ORIGINS, {typed!r}, is not an origin such as https://example.org"


@pytest.mark.parametrize("typed", ["Can.Example.org", "can.example.org.", "*.example.org", "*", "api"])
def test_host_is_written_in_lower_case(typed: str) -> None:
    assert load_settings({"allowed_hosts": typed}).allowed_hosts == (typed.lower().removesuffix("."),)


@pytest.mark.parametrize("typed", ["https://a.org", "a.org:8000", "a..org", "*.", "a.*.org", "a/b", "ü.org"])
def test_text_that_is_no_host_is_refused(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    line = message_of(monkeypatch, CAN_ALLOWED_HOSTS=f"a.org,{typed}")
    assert line == f"entry 2 of CAN_ALLOWED_HOSTS, {typed!r}, is not a host name such as can.example.org"


@pytest.mark.parametrize("name", [name for name, each in all_fields().items() if each.annotation in (int, float, bool)])
def test_wrong_value_is_one_line(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    line = message_of(monkeypatch, **{name: WRONG})
    assert line.startswith(f"{name}='{WRONG}' is not ")
    assert "\n" not in line


@pytest.mark.parametrize("name", CHOICES)
def test_unknown_choice_lists_the_known_ones(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    line = message_of(monkeypatch, **{name: WRONG})
    assert line.startswith(f"{name}='{WRONG}' is not one of ")
    assert str(other_value(all_fields()[name])) in line


def test_long_value_is_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(message_of(monkeypatch, CAN_PORT="9" * 4_000)) < 200


def test_several_wrong_values_are_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = message_of(monkeypatch, CAN_PORT="0", CAN_LIVE__IDLE_S="no", CAN_PROT="1").splitlines()
    assert [line.split("=")[0] for line in lines[1:]] == ["CAN_PORT", "CAN_LIVE__IDLE_S"]
    assert lines[0] == "the variable CAN_PROT is unknown; did you mean CAN_PORT?"


@pytest.mark.parametrize(
    "typed", ["the-key-itself", f"{FIRST},the-key-itself", '["the-key-itself"', "[the-key-itself]"]
)
def test_secret_is_never_printed(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.setenv("CAN_API_KEYS", typed)
    try:
        load_settings()
    except SettingsError as exc:
        printed = "".join(traceback.format_exception(exc))
    assert "CAN_API_KEYS" in printed
    assert "a secret of" in printed
    assert "the-key-itself" not in printed


@pytest.mark.parametrize(
    ("overrides", "prefix", "line"),
    [
        ({"port": "x"}, "--", "--port='x' is not a whole number from 1 to 65535"),
        ({"port": "x"}, "", "port='x' is not a whole number from 1 to 65535"),
        ({"whisperx": {"align_model": 1}}, "--", "--align-model=1 is not text"),
        ({"bundel": "x"}, "", "bundel is not a setting; did you mean bundle?"),
    ],
)
def test_wrong_option_is_named(overrides: dict[str, Any], prefix: str, line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(overrides, prefix=prefix)
    assert str(caught.value) == line


def list_commands() -> list[list[str]]:
    """Every command, with a value for each required argument."""
    found: list[list[str]] = []

    def add(group: Any, path: list[str]) -> None:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                add(command, [*path, name])
                continue
            needed = [each for each in command.params if each.required]
            values = [f"{each.opts[0]}=x" if each.opts[0].startswith("-") else "x" for each in needed]
            found.append([*path, name, *values])

    add(typer.main.get_command(app), [])
    return found


@pytest.mark.parametrize("arguments", list_commands(), ids=" ".join)
def test_every_command_ends_with_status_2(arguments: list[str]) -> None:
    variables = {"CAN_PORT": "many", "CAN_API_KEYS": "the-key-itself"}
    result = CliRunner(env=variables).invoke(app, arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    first, second = sorted(result.stderr.splitlines())
    assert first == "CAN_PORT='many' is not a whole number from 1 to 65535"
    assert second.startswith("entry 1 of CAN_API_KEYS, a secret of 14 characters, is not a SHA-256 digest")


@pytest.mark.parametrize(
    ("typed", "path"),
    [("/emotion", "/emotion"), ("emotion/", "/emotion"), ("/a/b-c/", "/a/b-c"), ("/", ""), ("//a", "/a")],
)
def test_root_path_is_typed_with_or_without_slashes(typed: str, path: str) -> None:
    assert load_settings({"root_path": typed}).root_path == path


@pytest.mark.parametrize(
    ("name", "typed", "wanted"),
    [
        ("CAN_ROOT_PATH", "https://a.org/emotion", "a path such as /emotion"),
        ("CAN_ROOT_PATH", "/a//b", "a path such as /emotion"),
        ("CAN_FORWARDED_ALLOW_IPS", "10.0.0.1/8", "an address or a network such as 10.0.0.0/8"),
        ("CAN_FORWARDED_ALLOW_IPS", "proxy", "an address or a network such as 10.0.0.0/8"),
    ],
)
def test_wrong_addresses_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, typed: str, wanted: str) -> None:
    assert wanted in message_of(monkeypatch, **{name: typed})
