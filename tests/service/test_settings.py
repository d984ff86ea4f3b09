import pytest
from pydantic import ValidationError

from service.errors import SettingsError
from service.settings import Settings, load_settings, variable_names


def test_defaults() -> None:
    settings = load_settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert (settings.max_audio_s, settings.max_upload_bytes) == (300, 100_000_000)
    assert (settings.max_waiting, settings.deadline_s) == (64, 120)
    assert settings.aligner == "auto"


def test_variables_and_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAN_PORT", "9000")
    monkeypatch.setenv("CAN_WHISPERX__MODEL", "tiny.en")
    settings = load_settings()
    assert (settings.port, settings.whisperx.model) == (9000, "tiny.en")
    assert settings.whisperx.config().model == "tiny.en"


def test_options_win_over_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAN_PORT", "9000")
    assert load_settings({"port": 9001, "host": None}).port == 9001


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("CAN_PROT", "1", "did you mean CAN_PORT?"),
        ("CAN_WHISPERX__MODLE", "x", "CAN_WHISPERX__MODEL"),
        ("CAN_QQQQQQQQ", "x", "known are"),
        ("CAN_PORT", "many", "CAN_PORT='many'"),
        ("CAN_PORT", "70000", "less than or equal to 65535"),
        ("CAN_ALIGNER", "siri", "CAN_ALIGNER"),
        ("CAN_WHISPERX__THREADS", "0", "CAN_WHISPERX__THREADS"),
        ("CAN_WHISPERX__WINDOW_S", "31", "less than or equal to 30"),
        ("CAN_WHISPERX__VAD", "webrtc", "'silero', 'pyannote' or 'none'"),
    ],
)
def test_what_makes_no_sense_stops_the_start(monkeypatch: pytest.MonkeyPatch, name: str, value: str, hint: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert hint in str(caught.value)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        setattr(Settings(), "port", 1)  # noqa: B010


def test_every_setting_is_described() -> None:
    for name, field in Settings.model_fields.items():
        group = field.annotation
        inner = getattr(group, "model_fields", {name: field})
        assert all(f.description for f in inner.values()), name


def test_names() -> None:
    assert {"CAN_BUNDLE", "CAN_POCKETSPHINX__WORKERS", "CAN_MAX_AUDIO_S"} <= set(variable_names())
