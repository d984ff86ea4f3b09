"""POST /predict with the real library and the models of forty words."""

import io
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
import soxr
from fastapi.testclient import TestClient

from alignment.aligners.weights.config import WhisperXConfig
from alignment.aligners.whisperx.aligner import WhisperXAligner
from alignment.audio import decode_audio
from model.bundle import Bundle
from service.inference.admission import RequestContext
from service.inference.request import AnalysisRequest
from service.inference.worker_pool import Upload
from service.settings import Settings
from tests.builders import encode, noise, tiny_clips, tiny_sentences, tiny_speech
from tests.fixtures.tiny.evaluation import edit_distance
from tests.service.serving import run_app, state_of, words_of
from tests.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def client(tiny_bundle: Bundle, whisperx: WhisperXAligner) -> Iterator[TestClient]:
    settings = Settings(bundle=str(tiny_bundle.folder), deadline_s=60)
    with run_app(settings, whisperx) as test_client:
        yield test_client


def predict(client: TestClient, data: bytes, **fields: str) -> dict[str, Any]:
    result: dict[str, Any] = client.post("/predict", files={"file": data}, data=fields).json()
    return result


def test_recognised_words_and_their_starts(client: TestClient) -> None:
    errors_s, exact = [], []
    for name, truth in tiny_clips().items():
        result = predict(client, tiny_speech(name))
        assert (result["aligner"]["name"], result["aligner"]["model"]) == ("whisperx", "tiny-words")
        words = words_of(result)
        exact.append([word["word"] for word in words] == [word["word"] for word in truth])
        if len(words) == len(truth):
            errors_s += [abs(word["start_s"] - true["start"]) for word, true in zip(words, truth, strict=True)]
    assert np.mean(exact) >= 0.9
    assert np.mean(np.array(errors_s) <= 0.05) >= 0.97


def test_starts_of_long_transcripts(client: TestClient) -> None:
    """Up to 27 words without a pause, four sentences with pauses, one word three times in succession."""
    errors_s = []
    for name, clip in tiny_sentences().items():
        if clip["language"] == "en":
            text = " ".join(word["word"] for word in clip["words"])
            result = predict(client, tiny_speech(name), transcript=text)
            assert " ".join(utterance["text"] for utterance in result["utterances"]) == text
            assert len(result["utterances"]) == {"several0": 3, "several1": 4}.get(name, 1)
            starts = zip(words_of(result), clip["words"], strict=True)
            errors_s += [abs(word["start_s"] - true["start"]) for word, true in starts]
    assert len(errors_s) > 90
    assert np.mean(np.array(errors_s) <= 0.05) >= 0.97


@pytest.fixture(scope="module")
def client_of_two_languages(
    tiny_bundle: Bundle, whisperx: WhisperXAligner, tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    """Client of an application for English and German, with the alignment model of English for both."""
    weights = tmp_path_factory.mktemp("weights")
    copytree(tiny_weights, weights, dirs_exist_ok=True)
    punkt = weights / "nltk_data" / "tokenizers" / "punkt_tab"
    copytree(weights / "align" / "en", weights / "align" / "de", dirs_exist_ok=True)
    copytree(punkt / "english", punkt / "german", dirs_exist_ok=True)
    config = WhisperXConfig(model="tiny-words", weights=str(weights), threads=1, batch_size=4)
    settings = Settings(bundle=str(tiny_bundle.folder), deadline_s=120)
    with run_app(settings, WhisperXAligner(config)) as test_client:
        yield test_client


def test_concurrent_mixed_requests_equal_sequential_requests(client_of_two_languages: TestClient) -> None:
    """Two languages, refused requests, broken files, and requests that are cancelled while they run."""
    client = client_of_two_languages
    fields = [{"language": "en"}, {"language": "de"}, {"language": "auto"}, {"transcript": "red apple"}]
    requests: list[tuple[bytes, dict[str, str]]] = [
        (tiny_speech(name), each) for name in list(tiny_clips())[:4] for each in fields
    ]
    requests += [
        (tiny_speech("00"), {"language": "xx"}),
        (b"no sound", {}),
        (encode(noise(1.0)), {"language": "de"}),
    ] * 2
    random.Random(0).shuffle(requests)
    sequential = [summary_of(predict(client, data, **each)) for data, each in requests]
    assert {code for code, _, _ in sequential} == {None, "unsupported-language", "not-audio", "no-speech"}
    scheduler = state_of(client).scheduler

    async def analyse(contexts: list[RequestContext]) -> None:
        async with scheduler.admit() as context:
            contexts.append(context)
            await scheduler.analyse(context, Upload(io.BytesIO(tiny_speech("01"))), AnalysisRequest(language="de"))

    def cancel() -> bool:
        assert client.portal is not None
        contexts: list[RequestContext] = []
        task = client.portal.start_task_soon(analyse, contexts)
        wait_until(lambda: task.done() or any(context.work for context in contexts))
        if not task.cancel():
            task.result()
        return task.cancelled()

    with ThreadPoolExecutor(8) as pool:
        cancelled = [pool.submit(cancel) for _ in range(4)]
        concurrent = list(pool.map(lambda each: summary_of(predict(client, each[0], **each[1])), requests))
        assert sum(each.result() for each in cancelled) > 0
    assert concurrent == sequential
    wait_until(lambda: scheduler.admission.in_progress == 0)


def summary_of(result: dict[str, Any]) -> tuple[str | None, Any, list[tuple[Any, ...]]]:
    """Code and detail of a problem, or language and timed words of a result."""
    if "code" in result:
        return result["code"], result["detail"], []
    words = [tuple(w[field] for field in ("word", "start_s", "end_s", "timing", "score")) for w in words_of(result)]
    return None, result["aligner"]["language"], words


def test_concurrent_words_equal_sequential_words(client: TestClient) -> None:
    names = list(tiny_clips())[:6]
    sequential = [summary_of(predict(client, tiny_speech(name))) for name in names]
    with ThreadPoolExecutor(6) as pool:
        concurrent = list(pool.map(lambda name: summary_of(predict(client, tiny_speech(name))), names))
    assert concurrent == sequential


def test_languages(client: TestClient) -> None:
    assert predict(client, tiny_speech("00"), language="auto")["aligner"]["language"] == "en"
    refused = predict(client, tiny_speech("00"), language="fr")
    assert (refused["status"], refused["code"]) == (422, "unsupported-language")
    assert "can-ser fetch --language fr" in refused["detail"]


def test_german_is_detected_and_recognised(client: TestClient) -> None:
    errors = words = 0
    for name, clip in tiny_sentences().items():
        if clip["language"] == "de":
            result = predict(client, tiny_speech(name), language="auto")
            assert result["aligner"]["language"] == "de"
            spoken = [word["word"] for word in clip["words"]]
            errors += edit_distance(spoken, [word["word"] for word in words_of(result)])
            words += len(spoken)
    assert words > 10
    assert errors <= 0.1 * words


def test_long_windows_repetitions_and_numbers_are_recognised(client: TestClient) -> None:
    """As in `test_starts_of_long_transcripts`, with "42" in words."""
    errors = words = 0
    for name, clip in tiny_sentences().items():
        if clip["language"] == "en":
            spoken = [word["word"] for word in clip["words"]]
            recognised = [word["word"] for word in words_of(predict(client, tiny_speech(name)))]
            errors += edit_distance(spoken, recognised)
            words += len(spoken)
    assert words > 90
    assert errors <= 0.3 * words


def test_noise_is_no_speech(client: TestClient) -> None:
    assert predict(client, encode(noise(1.0)))["code"] == "no-speech"


def call(left: str | None, right: str | None, pause_s: float = 0.5) -> bytes:
    """Stereo recording of a call: first clip on the left channel, then the other on the right."""
    clips = [
        decode_audio(tiny_speech(name)).samples if name else np.zeros(16_000, np.float32) for name in (left, right)
    ]
    second = len(clips[0]) + round(16_000 * pause_s)
    stereo = np.zeros((second + len(clips[1]), 2), np.float32)
    stereo[: len(clips[0]), 0], stereo[second:, 1] = clips
    return encode(stereo)


def test_channels_of_a_call_are_speakers(client: TestClient) -> None:
    result = predict(client, call("00", "03"), speakers="channels")
    texts = [" ".join(word["word"] for word in tiny_clips()[name]) for name in ("00", "03")]
    assert [(utterance["speaker"], utterance["text"]) for utterance in result["utterances"]] == [
        ("channel 1", texts[0]),
        ("channel 2", texts[1]),
    ]
    assert result["utterances"][1]["start_s"] > result["utterances"][0]["end_s"]
    assert [speaker["speaker"] for speaker in result["speakers"]] == ["channel 1", "channel 2"]
    for speaker, utterance in zip(result["speakers"], result["utterances"], strict=True):
        [moment] = speaker["timeline"]
        assert {**moment, "text": utterance["text"]}.items() <= utterance.items()
        assert speaker["emotion"] == utterance["emotion"]
        assert speaker["probabilities"] == pytest.approx(utterance["probabilities"])
        assert speaker["spoken_s"] == pytest.approx(moment["end_s"] - moment["start_s"], abs=0.002)


def test_silent_channel_is_no_speaker(client: TestClient) -> None:
    result = predict(client, call("00", None), speakers="channels")
    assert [speaker["speaker"] for speaker in result["speakers"]] == ["channel 1"]


def test_speakers_are_omitted_by_default(client: TestClient) -> None:
    result = predict(client, call("00", "03"))
    assert "speakers" not in result
    assert all("speaker" not in utterance for utterance in result["utterances"])


@pytest.mark.parametrize(
    ("clip", "fields", "code"),
    [
        ("00", {}, "unsupported-audio"),
        (None, {"transcript": "one two"}, "conflicting-fields"),
        (None, {"words": '[{"word": "one", "start": 0, "end": 1}]'}, "conflicting-fields"),
        (None, {"speakers": "diarize"}, "diarization-unavailable"),
        (None, {"speakers": "voices"}, "malformed-form"),
    ],
)
def test_invalid_speakers_are_refused(client: TestClient, clip: str | None, fields: dict[str, str], code: str) -> None:
    data = tiny_speech(clip) if clip else call("00", "03")
    assert predict(client, data, **{"speakers": "channels", **fields})["code"] == code


def test_given_segments_replace_speech_detection(client: TestClient) -> None:
    """Only the second of two sentences is recognised."""
    data = call("00", "03")
    second = decode_audio(tiny_speech("00")).duration_s + 0.5
    segments = f'[{{"start": {second}, "end": {second + decode_audio(tiny_speech("03")).duration_s - 0.01}}}]'
    result = predict(client, data, segments=segments)
    assert " ".join(u["text"] for u in result["utterances"]) == " ".join(w["word"] for w in tiny_clips()["03"])
    assert words_of(result)[0]["start_s"] == pytest.approx(second + tiny_clips()["03"][0]["start"], abs=0.05)
    text = " ".join(w["word"] for w in tiny_clips()["03"])
    aligned = words_of(predict(client, data, segments=segments, transcript=text))
    assert [word["start_s"] for word in aligned] == pytest.approx([w["start_s"] for w in words_of(result)], abs=0.03)


@pytest.mark.parametrize(
    ("segments", "code"),
    [
        ("[", "malformed-form"),
        ('[{"start": 0}]', "invalid-segments"),
        ('[{"start": 0, "end": 100}]', "segments-out-of-bounds"),
        ('[{"start": 1, "end": 0.5}]', "segments-out-of-bounds"),
    ],
)
def test_invalid_segments_are_refused(client: TestClient, segments: str, code: str) -> None:
    assert predict(client, tiny_speech("00"), segments=segments)["code"] == code


@pytest.mark.parametrize(
    ("rate_hz", "channels", "subtype"),
    [(48_000, 2, "PCM_16"), (44_100, 1, "PCM_24"), (96_000, 1, "FLOAT"), (16_000, 1, "DOUBLE")],
)
def test_every_format_is_converted_to_16_khz_mono(
    client: TestClient, rate_hz: int, channels: int, subtype: str
) -> None:
    """The library itself refuses stereo, doubles and integers."""
    samples = soxr.resample(decode_audio(tiny_speech("00")).samples, 16_000, rate_hz)
    repeated = np.repeat(samples[:, None], channels, axis=1)
    recognised = [word["word"] for word in words_of(predict(client, encode(repeated, rate_hz, subtype=subtype)))]
    assert recognised == [word["word"] for word in tiny_clips()["00"]]


def test_8_khz_audio_is_resampled(client: TestClient) -> None:
    """The library does not check the rate, and would process 8 kHz audio at twice the speed.

    The reference is the same narrow band at 16 kHz, since the tiny models are not trained on telephone speech.
    """
    narrow = soxr.resample(decode_audio(tiny_speech("00")).samples, 16_000, 8_000)
    wide = soxr.resample(narrow, 8_000, 16_000)
    at_8, at_16 = (
        words_of(predict(client, encode(samples, rate))) for samples, rate in ((narrow, 8_000), (wide, 16_000))
    )
    assert [word["word"] for word in at_8] == [word["word"] for word in at_16]
    assert [word["start_s"] for word in at_8] == pytest.approx([word["start_s"] for word in at_16], abs=0.03)
