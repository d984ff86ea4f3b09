"""POST /predict through the real library, on the models of forty words."""

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
from service.app import create_app
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.settings import Settings
from tests.builders import encode, noise, tiny_clips, tiny_sentences, tiny_speech
from tests.fixtures.tiny.evaluation import edit_distance
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def client(tiny_bundle: Bundle, whisperx: WhisperXAligner) -> Iterator[TestClient]:
    settings = Settings(bundle=str(tiny_bundle.folder), deadline_s=60)
    app = create_app(settings, engine=EmotionEngine(settings, aligner=whisperx))
    with TestClient(app) as test_client:
        wait_until(lambda: test_client.get("/health/ready").status_code == 200)
        yield test_client


def ask(client: TestClient, sound: bytes, **fields: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.post("/predict", files={"file": sound}, data=fields).json()
    return answer


def words_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [word for utterance in answer["utterances"] for word in utterance["words"]]


def test_words_are_right_and_start_where_they_are_said(client: TestClient) -> None:
    off, exact = [], []
    for name, truth in tiny_clips().items():
        answer = ask(client, tiny_speech(name))
        assert (answer["aligner"]["name"], answer["aligner"]["model"]) == ("whisperx", "tiny-words")
        words = words_of(answer)
        exact.append([word["word"] for word in words] == [word["word"] for word in truth])
        if len(words) == len(truth):
            off += [abs(word["start_s"] - said["start"]) for word, said in zip(words, truth, strict=True)]
    assert np.mean(exact) >= 0.9
    assert np.mean(np.array(off) <= 0.05) >= 0.97


def test_a_given_text_of_many_words_starts_where_it_is_said(client: TestClient) -> None:
    """Up to 27 words in one breath, four sentences with pauses, the same word three times running."""
    off = []
    for name, clip in tiny_sentences().items():
        if clip["language"] == "en":
            text = " ".join(word["word"] for word in clip["words"])
            answer = ask(client, tiny_speech(name), transcript=text)
            assert " ".join(utterance["text"] for utterance in answer["utterances"]) == text
            assert len(answer["utterances"]) == {"several0": 3, "several1": 4}.get(name, 1)
            starts = zip(words_of(answer), clip["words"], strict=True)
            off += [abs(word["start_s"] - said["start"]) for word, said in starts]
    assert len(off) > 90
    assert np.mean(np.array(off) <= 0.05) >= 0.97


@pytest.fixture(scope="module")
def client_of_two_languages(
    tiny_bundle: Bundle, whisperx: WhisperXAligner, tiny_weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    """English and German, whose alignment model is the English one."""
    weights = tmp_path_factory.mktemp("weights")
    copytree(tiny_weights, weights, dirs_exist_ok=True)
    punkt = weights / "nltk_data" / "tokenizers" / "punkt_tab"
    copytree(weights / "align" / "en", weights / "align" / "de", dirs_exist_ok=True)
    copytree(punkt / "english", punkt / "german", dirs_exist_ok=True)
    config = WhisperXConfig(model="tiny-words", weights=str(weights), threads=1, batch_size=4)
    settings = Settings(bundle=str(tiny_bundle.folder), deadline_s=120)
    app = create_app(settings, engine=EmotionEngine(settings, aligner=WhisperXAligner(config)))
    with TestClient(app) as test_client:
        wait_until(lambda: test_client.get("/health/ready").status_code == 200)
        yield test_client


def test_eight_at_once_answer_as_one_by_one(client_of_two_languages: TestClient) -> None:
    """Languages mixed, refused ones and broken files in between, and clients that hang up."""
    client = client_of_two_languages
    fields = [{"language": "en"}, {"language": "de"}, {"language": "auto"}, {"transcript": "red apple"}]
    asked: list[tuple[bytes, dict[str, str]]] = [
        (tiny_speech(name), each) for name in list(tiny_clips())[:4] for each in fields
    ]
    asked += [(tiny_speech("00"), {"language": "xx"}), (b"no sound", {}), (encode(noise(1.0)), {"language": "de"})] * 2
    random.Random(0).shuffle(asked)
    alone = [told_of(ask(client, sound, **each)) for sound, each in asked]
    assert {answer[0] for answer in alone} >= {None, "unsupported-language", "not-audio", "no-speech"}
    stages = client.app.state.can_ser.scheduler  # type: ignore[attr-defined]

    async def answer() -> None:
        async with stages.admit() as visit:
            await stages.answer(visit, lambda: tiny_speech("01"), AnalysisRequest(language="de"), lambda whole: whole)

    def hang_up() -> None:
        assert client.portal is not None
        going = client.portal.start_task_soon(answer)
        wait_until(lambda: stages.admission.in_progress > 0 or going.done())
        going.cancel()

    with ThreadPoolExecutor(8) as pool:
        gone = [pool.submit(hang_up) for _ in range(4)]
        together = list(pool.map(lambda each: told_of(ask(client, each[0], **each[1])), asked))
        for each in gone:
            each.result()
    assert together == alone
    wait_until(lambda: stages.admission.in_progress == 0)


def told_of(answer: dict[str, Any]) -> tuple[str | None, Any, list[tuple[Any, ...]]]:
    """A problem's code, or the language and all that is said of the words' places."""
    if "code" in answer:
        return answer["code"], answer["detail"], []
    words = [tuple(w[field] for field in ("word", "start_s", "end_s", "timing", "score")) for w in words_of(answer)]
    return None, answer["aligner"]["language"], words


def test_together_as_one_by_one(client: TestClient) -> None:
    names = list(tiny_clips())[:6]
    alone = [words_of(ask(client, tiny_speech(name))) for name in names]
    with ThreadPoolExecutor(6) as pool:
        together = [words_of(answer) for answer in pool.map(lambda name: ask(client, tiny_speech(name)), names)]
    for one, other in zip(alone, together, strict=True):
        for field in ("word", "start_s", "end_s", "timing", "score"):
            assert [word[field] for word in one] == [word[field] for word in other]


def test_languages(client: TestClient) -> None:
    assert ask(client, tiny_speech("00"), language="auto")["aligner"]["language"] == "en"
    refused = ask(client, tiny_speech("00"), language="fr")
    assert (refused["status"], refused["code"]) == (422, "unsupported-language")
    assert "can-ser fetch --language fr" in refused["detail"]


def test_german_is_detected_and_heard(client: TestClient) -> None:
    wrong = words = 0
    for name, clip in tiny_sentences().items():
        if clip["language"] == "de":
            answer = ask(client, tiny_speech(name), language="auto")
            assert answer["aligner"]["language"] == "de"
            said = [word["word"] for word in clip["words"]]
            wrong, words = wrong + edit_distance(said, [w["word"] for w in words_of(answer)]), words + len(said)
    assert words > 10
    assert wrong <= 0.1 * words


def test_long_windows_repetitions_and_numbers_are_heard(client: TestClient) -> None:
    """Up to 27 words in one breath, four sentences with pauses, the same word three times running, "42" in words."""
    wrong = words = 0
    for name, clip in tiny_sentences().items():
        if clip["language"] == "en":
            said = [word["word"] for word in clip["words"]]
            heard = [word["word"] for word in words_of(ask(client, tiny_speech(name)))]
            wrong, words = wrong + edit_distance(said, heard), words + len(said)
    assert words > 90
    assert wrong <= 0.3 * words


def test_what_holds_no_speech(client: TestClient) -> None:
    assert ask(client, encode(noise(1.0)))["code"] == "no-speech"


def call(left: str | None, right: str | None, pause_s: float = 0.5) -> bytes:
    """A recorded call: one speaks on the left, then the other on the right."""
    sounds = [
        decode_audio(tiny_speech(name)).samples if name else np.zeros(16_000, np.float32) for name in (left, right)
    ]
    later = len(sounds[0]) + round(16_000 * pause_s)
    stereo = np.zeros((later + len(sounds[1]), 2), np.float32)
    stereo[: len(sounds[0]), 0], stereo[later:, 1] = sounds
    return encode(stereo)


def test_each_channel_of_a_call_is_a_speaker(client: TestClient) -> None:
    answer = ask(client, call("00", "03"), speakers="channels")
    texts = [" ".join(word["word"] for word in tiny_clips()[name]) for name in ("00", "03")]
    assert [(utterance["speaker"], utterance["text"]) for utterance in answer["utterances"]] == [
        ("channel 1", texts[0]),
        ("channel 2", texts[1]),
    ]
    assert answer["utterances"][1]["start_s"] > answer["utterances"][0]["end_s"]
    assert [speaker["speaker"] for speaker in answer["speakers"]] == ["channel 1", "channel 2"]
    for speaker, utterance in zip(answer["speakers"], answer["utterances"], strict=True):
        [moment] = speaker["timeline"]
        assert {**moment, "text": utterance["text"]}.items() <= utterance.items()
        assert speaker["emotion"] == utterance["emotion"]
        assert speaker["probabilities"] == pytest.approx(utterance["probabilities"])
        assert speaker["spoken_s"] == pytest.approx(moment["end_s"] - moment["start_s"], abs=0.002)


def test_a_silent_channel_says_nothing(client: TestClient) -> None:
    answer = ask(client, call("00", None), speakers="channels")
    assert [speaker["speaker"] for speaker in answer["speakers"]] == ["channel 1"]


def test_without_speakers_nothing_is_said_of_them(client: TestClient) -> None:
    answer = ask(client, call("00", "03"))
    assert "speakers" not in answer
    assert all("speaker" not in utterance for utterance in answer["utterances"])


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
def test_speakers_that_cannot_be(client: TestClient, clip: str | None, fields: dict[str, str], code: str) -> None:
    sound = tiny_speech(clip) if clip else call("00", "03")
    assert ask(client, sound, **{"speakers": "channels", **fields})["code"] == code


def test_the_caller_says_where_somebody_speaks(client: TestClient) -> None:
    """Of two sentences only the second is listened to, whatever a detector would find."""
    sound = call("00", "03")
    second = decode_audio(tiny_speech("00")).duration_s + 0.5
    segments = f'[{{"start": {second}, "end": {second + decode_audio(tiny_speech("03")).duration_s - 0.01}}}]'
    answer = ask(client, sound, segments=segments)
    assert " ".join(u["text"] for u in answer["utterances"]) == " ".join(w["word"] for w in tiny_clips()["03"])
    assert words_of(answer)[0]["start_s"] == pytest.approx(second + tiny_clips()["03"][0]["start"], abs=0.05)
    said = " ".join(w["word"] for w in tiny_clips()["03"])
    given = words_of(ask(client, sound, segments=segments, transcript=said))
    assert [word["start_s"] for word in given] == pytest.approx([w["start_s"] for w in words_of(answer)], abs=0.03)


@pytest.mark.parametrize(
    ("segments", "code"),
    [
        ("[", "malformed-form"),
        ('[{"start": 0}]', "invalid-segments"),
        ('[{"start": 0, "end": 100}]', "segments-out-of-bounds"),
        ('[{"start": 1, "end": 0.5}]', "segments-out-of-bounds"),
    ],
)
def test_segments_that_cannot_be(client: TestClient, segments: str, code: str) -> None:
    assert ask(client, tiny_speech("00"), segments=segments)["code"] == code


@pytest.mark.parametrize(
    ("rate_hz", "channels", "subtype"),
    [(48_000, 2, "PCM_16"), (44_100, 1, "PCM_24"), (96_000, 1, "FLOAT"), (16_000, 1, "DOUBLE")],
)
def test_whatever_the_file_whisper_hears_16_khz_mono(
    client: TestClient, rate_hz: int, channels: int, subtype: str
) -> None:
    """The library itself refuses stereo, doubles and integers."""
    samples = soxr.resample(decode_audio(tiny_speech("00")).samples, 16_000, rate_hz)
    sound = np.repeat(samples[:, None], channels, axis=1)
    heard = [word["word"] for word in words_of(ask(client, encode(sound, rate_hz, subtype=subtype)))]
    assert heard == [word["word"] for word in tiny_clips()["00"]]


def test_a_telephone_s_8_khz_are_not_taken_for_16(client: TestClient) -> None:
    """The library would hear them at twice the speed, and say nothing.

    The tiny models know no telephone: what they hear of the same narrow band at 16 kHz is the measure.
    """
    narrow = soxr.resample(decode_audio(tiny_speech("00")).samples, 16_000, 8_000)
    wide = soxr.resample(narrow, 8_000, 16_000)
    at_8, at_16 = (words_of(ask(client, encode(sound, rate))) for sound, rate in ((narrow, 8_000), (wide, 16_000)))
    assert [word["word"] for word in at_8] == [word["word"] for word in at_16]
    assert [word["start_s"] for word in at_8] == pytest.approx([word["start_s"] for word in at_16], abs=0.03)
