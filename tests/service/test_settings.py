from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from service.errors import SettingsError
from service.setting_values import Expected
from service.settings import PREFIX, Settings, load_settings, variable_names


def all_fields() -> dict[str, FieldInfo]:
    """Field of each variable, groups expanded."""
    fields: dict[str, FieldInfo] = {}
    for name, field in Settings.model_fields.items():
        group = field.annotation
        inner = group.model_fields if isinstance(group, type) and issubclass(group, BaseModel) else {"": field}
        fields |= {f"{PREFIX}{name}__{key}".removesuffix("__").upper(): each for key, each in inner.items()}
    return fields


def other_value(field: FieldInfo) -> str:
    """A valid value that differs from the default."""
    default = field.get_default(call_default_factory=True)
    if get_origin(field.annotation) is Literal:
        return next(str(choice) for choice in get_args(field.annotation) if choice != default)
    entry = FieldInfo.from_annotation(get_args(field.annotation)[0]) if isinstance(default, tuple) else field
    if form := next((each for each in entry.metadata if isinstance(each, Expected)), None):
        return form.example
    if isinstance(default, bool):
        return str(not default)
    if isinstance(default, int) or default is None:
        return str((default or 0) + 1)
    return str(default / 2 or 1.0) if isinstance(default, float) else "xx"


def test_defaults() -> None:
    settings = load_settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert (settings.max_audio_s, settings.max_upload_bytes) == (300, 100_000_000)
    assert (settings.max_waiting, settings.deadline_s) == (64, 120)
    assert settings.aligner == "auto"


def test_variables_of_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAN_PORT", "9000")
    monkeypatch.setenv("CAN_WHISPERX__MODEL", "tiny.en")
    settings = load_settings()
    assert (settings.port, settings.whisperx.model) == (9000, "tiny.en")
    assert settings.whisperx.config().model == "tiny.en"


def test_options_override_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAN_PORT", "9000")
    assert load_settings({"port": 9001, "host": None}).port == 9001


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("CAN_PROT", "1", "did you mean CAN_PORT?"),
        ("CAN_WHISPERX__MODLE", "x", "CAN_WHISPERX__MODEL"),
        ("CAN_QQQQQQQQ", "x", "known variables are"),
        ("CAN_PORT", "many", "CAN_PORT='many'"),
        ("CAN_PORT", "70000", "from 1 to 65535"),
        ("CAN_ALIGNER", "siri", "CAN_ALIGNER"),
        ("CAN_WHISPERX__THREADS", "0", "CAN_WHISPERX__THREADS"),
        ("CAN_WHISPERX__WINDOW_S", "31", "from 1 to 30"),
        ("CAN_WHISPERX__VAD", "webrtc", "one of silero, pyannote, none"),
        ("CAN_DEADLINE_S", "inf", "CAN_DEADLINE_S"),
        ("CAN_DEADLINE_S", "1e300", "over 0 and at most 86400"),
        ("CAN_UNCERTAIN_BELOW", "nan", "CAN_UNCERTAIN_BELOW"),
    ],
)
def test_invalid_variable_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str, hint: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert hint in str(caught.value)


@pytest.mark.parametrize("value", ["inf", "-inf", "nan"])
@pytest.mark.parametrize("name", [name for name, field in all_fields().items() if field.annotation is float])
def test_numbers_are_finite(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        load_settings()


@pytest.mark.parametrize("name", variable_names())
def test_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    expected = load_settings()
    monkeypatch.setenv(name, "")
    assert load_settings() == expected


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        setattr(Settings(), "port", 1)  # noqa: B010


def test_every_setting_is_described() -> None:
    assert [name for name, field in all_fields().items() if not field.description] == []


def test_variable_names_are_complete() -> None:
    """tests/test_containers.py compares .env.example with the same list, tests/test_documents.py the documents."""
    assert variable_names() == list(all_fields())
    assert len(variable_names()) > 40


@pytest.mark.parametrize("name", variable_names())
def test_every_variable_changes_its_setting(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, other_value(all_fields()[name]))
    changed: list[str] = []

    def compare(before: Any, after: Any, path: str) -> None:
        if isinstance(before, BaseModel):
            for key in type(before).model_fields:
                compare(getattr(before, key), getattr(after, key), f"{path}__{key}" if path else key)
        elif before != after:
            changed.append(f"{PREFIX}{path}".upper())

    settings = load_settings()
    monkeypatch.delenv(name)
    compare(load_settings(), settings, "")
    assert changed == [name]
