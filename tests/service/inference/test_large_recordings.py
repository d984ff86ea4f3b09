"""Recordings that are large once decoded: they have threads of their own."""

import io
import json
import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import soundfile
from fastapi.testclient import TestClient

from alignment.audio import Waveform
from alignment.errors import DecodingAbandonedError
from alignment.libsndfile import read_stated_length
from service.inference.decoding import LargeRecordingError, decode_small
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest, Speakers
from service.inference.window_loop import WindowLoop
from service.inference.worker import WorkerInput, score
from service.observability.stopwatch import Stopwatch
from service.settings import Settings
from tests.builders import encode, encode_with_ffmpeg, noise
from tests.comparing import assert_same_result
from tests.fakes import FakeAligner
from tests.service.serving import run_app
from tests.waiting import wait_until

SMALL, LARGE = encode(noise(1.0)), encode(noise(4.0))
WORDS = json.dumps([{"word": "the", "start": 0.1, "end": 0.3}])
MANY = 6
PIPED_FLAC = encode_with_ffmpeg(noise(1.0), "flac", "flac", piped=True)


@pytest.fixture
def engine(settings: Settings, aligner: FakeAligner) -> EmotionEngine:
    return EmotionEngine(settings, aligner=aligner)


@pytest.fixture
def quick_audio_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.inference.decoding.QUICK_AUDIO_S", 2.0)


def decode(
    engine: EmotionEngine, data: bytes, speakers: Speakers | None = None, *, cancelled: bool = False
) -> Waveform:
    return decode_small(engine, data, AnalysisRequest(speakers=speakers), Stopwatch(), lambda: cancelled)


@pytest.mark.usefixtures("quick_audio_s")
def test_duration_of_all_tracks_counts(engine: EmotionEngine) -> None:
    stereo = encode(np.stack([noise(1.5, seed=1), noise(1.5, seed=2)], axis=1))
    assert decode(engine, stereo).duration_s == 1.5
    with pytest.raises(LargeRecordingError):
        decode(engine, LARGE)
    with pytest.raises(LargeRecordingError):
        decode(engine, stereo, "channels")


def test_decoding_stops_at_its_budget(engine: EmotionEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.inference.decoding.QUICK_CPU_S", -1.0)
    with pytest.raises(LargeRecordingError):
        decode(engine, SMALL)
    with pytest.raises(DecodingAbandonedError):
        decode(engine, SMALL, cancelled=True)


def test_decoding_stops_earlier_while_others_wait(engine: EmotionEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.inference.decoding.BUSY_CPU_S", -1.0)
    request, stopwatch = AnalysisRequest(), Stopwatch()
    assert decode_small(engine, SMALL, request, stopwatch).duration_s == 1.0
    with pytest.raises(LargeRecordingError):
        decode_small(engine, SMALL, request, stopwatch, busy=lambda: True)


@pytest.mark.parametrize("container", ["WAV", "FLAC", "AIFF"])
def test_recording_that_states_its_length_is_not_decoded_among_small_ones(
    engine: EmotionEngine, monkeypatch: pytest.MonkeyPatch, container: str
) -> None:
    def fail(*_: object, **__: object) -> Waveform:
        raise AssertionError("decoded")

    monkeypatch.setattr(EmotionEngine, "decode", fail)
    file = io.BytesIO()
    soundfile.write(file, np.full((61 * 4_000, 1), 0.1), 4_000, "PCM_16", format=container)
    with pytest.raises(LargeRecordingError):
        decode(engine, file.getvalue())
    many = np.full((20_000, 8), 0.1)
    file = io.BytesIO()
    soundfile.write(file, many, 96_000, "PCM_16", format=container)
    monkeypatch.setattr("service.inference.decoding.QUICK_SAMPLES", many.size - 1)
    with pytest.raises(LargeRecordingError):
        decode(engine, file.getvalue())


@pytest.mark.parametrize("data", [b"fLaC", b"RIFF" + bytes(40), b"", b"OggS", PIPED_FLAC])
def test_length_of_other_data_is_unknown(data: bytes) -> None:
    assert read_stated_length(data) == (0.0, 0)


def test_closed_loop_holds_no_recording(engine: EmotionEngine) -> None:
    """A failed request's traceback may keep the loop."""
    request, stopwatch = AnalysisRequest(), Stopwatch()
    waveform = engine.decode(LARGE, request, stopwatch)
    samples = weakref.ref(waveform.samples)
    loop = engine.start(waveform, request, stopwatch)
    del waveform
    assert samples() is not None
    loop.close()
    assert samples() is None
    assert loop.prepare() is None


@pytest.mark.usefixtures("quick_audio_s")
def test_recording_and_slot_of_a_large_request_are_released(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it fails; more of them than there are slots."""
    closed, returned = [], threading.Event()
    close = WindowLoop.close

    def record(loop: WindowLoop) -> None:
        closed.append(loop)
        close(loop)

    monkeypatch.setattr(WindowLoop, "close", record)
    monkeypatch.setattr("service.inference.scheduler.collect_memory", returned.set)
    outside = json.dumps([{"word": "the", "start": 1.0, "end": 9.0}])
    for _ in range(2 * (os.cpu_count() or 1) + 1):
        response = client.post("/predict", files={"file": LARGE}, data={"words": outside})
        assert response.json()["code"] == "words-out-of-bounds"
    predict(client, LARGE)
    assert len(closed) == 2 * (os.cpu_count() or 1) + 2
    assert returned.wait(30)


@pytest.mark.usefixtures("quick_audio_s")
def test_small_requests_do_not_wait_for_large_ones(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """More large recordings than threads are being decoded when a small one arrives."""
    expected = predict(client, LARGE)
    proceed = threading.Event()
    waiting: list[str] = []
    decode = EmotionEngine.decode

    def wait(engine: EmotionEngine, data: bytes, *arguments: Any, **options: Any) -> Waveform:
        if threading.current_thread().name.startswith("large"):
            waiting.append("large")
            assert proceed.wait(60)
        return decode(engine, data, *arguments, **options)

    monkeypatch.setattr(EmotionEngine, "decode", wait)
    with ThreadPoolExecutor(MANY) as pool:
        large = [pool.submit(predict, client, LARGE) for _ in range(MANY)]
        wait_until(lambda: bool(waiting))
        assert predict(client, SMALL)["audio"]["duration_s"] == 1.0
        assert not any(each.done() for each in large)
        proceed.set()
        for each in large:
            assert_same_result(each.result(60), expected)


def predict(client: TestClient, data: bytes) -> Any:
    response = client.post("/predict", files={"file": data}, data={"words": WORDS})
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.usefixtures("quick_audio_s")
def test_worker_leaves_large_recordings_to_the_service(engine: EmotionEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.inference.worker._engine", engine)
    request = AnalysisRequest(words=[("the", 0.1, 0.3)])
    small, large = score([WorkerInput(SMALL, request), WorkerInput(LARGE, request)])
    assert (small.is_large, small.result is None) == (False, False)
    assert (large.is_large, large.result, large.error) == (True, None, None)


@pytest.mark.slow
def test_worker_processes_return_large_recordings_to_threads(settings: Settings, aligner: FakeAligner) -> None:
    """Two requests at once, so that both are submitted to a worker process; 70 s are large."""
    data = encode(np.tile(noise(1.0, rate_hz=4_000), 70), 4_000)
    long = settings.model_copy(update={"max_audio_s": 100, "scorers": 1})
    with run_app(long, aligner) as client, ThreadPoolExecutor(4) as pool:
        expected = predict(client, data)
        for response in pool.map(lambda _: predict(client, data), range(4)):
            assert_same_result(response, expected)
