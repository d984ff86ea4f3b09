"""The real library with models of forty words, offline."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from numpy.typing import NDArray

from alignment.aligners.weights import catalogue
from alignment.aligners.weights.config import VadChoice, WhisperXConfig
from alignment.aligners.whisperx.aligner import RecognisedWindow, WhisperXAligner, align_windows, transcribe
from alignment.aligners.whisperx.models import WhisperXModels
from alignment.aligners.whisperx.recogniser import DecodingOptions, RecognitionInput
from alignment.aligners.whisperx.speech_detection import make_detector
from alignment.aligners.whisperx.word_aligner import AlignmentInput, WordAligner
from alignment.audio import AudioSource, Waveform
from alignment.batcher import Batcher
from alignment.errors import (
    AlignerFailedError,
    AlignerUnavailableError,
    AlignmentError,
    EmptyTranscriptError,
    NoSpeechError,
)
from alignment.transcripts.utterances import SpeechSegment
from alignment.transcripts.warnings import recognition_warnings
from alignment.transcripts.words import TimedWord, Transcript
from tests.alignment.aligners.whisperx.clips import CLIPS, TEXTS, clip
from tests.builders import noise, tone

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def models(whisperx: WhisperXAligner) -> WhisperXModels:
    with whisperx._models.use() as (models, _):
        return models


@pytest.fixture(scope="session")
def english(models: WhisperXModels) -> WordAligner:
    return models.word_aligner("en")


def waveform(samples: NDArray[np.float32]) -> Waveform:
    return Waveform(samples, AudioSource(len(samples) / 16_000, 16_000, 1))


def words_of(transcript: Transcript) -> list[TimedWord]:
    return [word for utterance in transcript.utterances for word in utterance.words]


def assert_ordered(words: list[TimedWord], duration_s: float) -> None:
    times = [time_s for word in words for time_s in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= duration_s


def errors_s(words: list[TimedWord], names: list[str], gap_s: float = 0.0) -> list[float]:
    """Distance of each word's start from espeak-ng's own, clips joined."""
    starts, passed_s = [], 0.0
    for name in names:
        starts += [passed_s + word["start"] for word in CLIPS[name]]
        passed_s += clip(name).duration_s + gap_s
    return [abs(word.start_s - start_s) for word, start_s in zip(words, starts, strict=True)]


def test_given_text_is_aligned_within_50_ms(whisperx: WhisperXAligner) -> None:
    errors = []
    for name, text in TEXTS.items():
        words = words_of(whisperx.align(clip(name), text))
        assert " ".join(word.word for word in words) == text
        assert {word.timing for word in words} == {"aligned"}
        # The library's are numpy floats, which JSON cannot hold.
        assert {type(value) for word in words for value in (word.start_s, word.end_s, word.score)} == {float}
        errors += errors_s(words, [name])
    assert np.mean(np.array(errors) <= 0.05) >= 0.97


def test_word_times_equal_the_library_s(english: WordAligner) -> None:
    from whisperx.alignment import align

    metadata = {"language": "en", "dictionary": english._columns, "type": "huggingface"}
    for name, text in [*list(TEXTS.items())[:6], ("00", "4 apples €5 – 日本 naïve don't")]:
        sound = clip(name).samples
        segment = {"text": text, "start": 0.0, "end": len(sound) / 16_000}
        theirs = align([segment], english._network, metadata, sound, "cpu")["word_segments"]
        [ours] = english.align_words([AlignmentInput([sound], text.split())])
        assert ours is not None
        for mine, word in zip(ours, theirs, strict=True):
            assert mine.span == pytest.approx((word["start"], word["end"]), abs=0.02)
            assert mine.score == pytest.approx(word["score"], abs=0.01)


def test_eight_threads_give_the_results_of_one(models: WhisperXModels) -> None:
    """With mixed languages and numerals, windows that fail and callers that miss their deadline in between."""
    names = list(CLIPS)[:6]
    options = [
        DecodingOptions("en"),
        DecodingOptions("en", numerals=True),
        DecodingOptions("de"),
        DecodingOptions("en", task="translate"),
    ]
    inputs = [RecognitionInput(clip(name).samples[:24_000], each) for name in names for each in options]
    alone = [models.recogniser.transcribe_many([each])[0] for each in inputs]
    recognition = Batcher("test", models.recogniser.transcribe_many, max_items=4, linger_s=0.0)
    too_long = RecognitionInput(noise(31.0), DecodingOptions("en"))

    def run(index: int) -> str:
        if index % 7 == 0:
            with pytest.raises(AlignerFailedError, match="padding|negative|shape|size"):
                transcribe([too_long], recognition, 4, 120)
        if index % 5 == 0:
            with pytest.raises(AlignerFailedError, match="took longer"):
                transcribe([inputs[index]], recognition, 4, 0.0)
        return transcribe([inputs[index]], recognition, 4, 120)[0]

    order = list(range(len(inputs)))
    random.Random(0).shuffle(order)
    with ThreadPoolExecutor(8) as pool:
        results = dict(zip(order, pool.map(run, order), strict=True))
    recognition.close()
    assert [results[index] for index in range(len(inputs))] == alone


def test_closing_ends_the_recognition_thread(tiny_weights: Path) -> None:
    def threads() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name.startswith("whisperx_")}

    before = threads()
    aligner = WhisperXAligner(WhisperXConfig(model="tiny-words", weights=str(tiny_weights), threads=1))
    aligner.warm_up()
    [thread] = threads() - before
    aligner.close()
    thread.join(20)
    assert not thread.is_alive()
    aligner.close()
    assert words_of(aligner.recognise(clip("00")))
    aligner.close()


def test_numerals_are_suppressed(models: WhisperXModels) -> None:
    """Without numerals no token with a digit can be decoded; each combination has options of its own."""
    _, spelled = models.recogniser._library_options(DecodingOptions("en"))
    tokenizer, written = models.recogniser._library_options(DecodingOptions("en", numerals=True))
    digits = {token for token in range(tokenizer.eot) if set(tokenizer.decode([token])) & set("0123456789%$£")}
    assert digits
    assert digits <= set(spelled.suppress_tokens)
    assert not digits & set(written.suppress_tokens)


@pytest.mark.parametrize(
    "sound",
    [np.zeros(16_000, np.float32), noise(2.0), noise(0.1), tone(1.0)],
    ids=["silence", "noise", "0.1 s", "tone"],
)
def test_audio_without_speech_is_refused(whisperx: WhisperXAligner, sound: NDArray[np.float32]) -> None:
    with pytest.raises(NoSpeechError):
        whisperx.recognise(waveform(sound))
    with pytest.raises(NoSpeechError):
        whisperx.align(waveform(sound), "hello")


def test_digits_symbols_and_other_scripts_are_aligned(whisperx: WhisperXAligner) -> None:
    words = words_of(whisperx.align(clip("00"), "42 $5 日本 …"))
    assert [word.word for word in words] == ["42", "$5", "日本"]
    assert {word.timing for word in words} == {"aligned"}
    assert_ordered(words, clip("00").duration_s)


def test_words_too_long_for_their_window_are_aligned_around_it(english: WordAligner) -> None:
    name = "00"
    sound, start_s = clip(name), CLIPS[name][0]["start"]
    window = RecognisedWindow(SpeechSegment(start_s, start_s + 0.2), tuple(TEXTS[name].split()))
    words, breaks = align_windows([window], sound, english)
    assert {word.timing for word in words} == {"recognised"}
    assert max(errors_s(words, [name])) <= 0.05
    assert breaks == [0]


@pytest.mark.parametrize(
    "window", [SpeechSegment(0.0, 77.0), SpeechSegment(50.0, 52.0), SpeechSegment(1.0, 1.0), SpeechSegment(1.5, 0.5)]
)
def test_window_past_the_audio_or_without_length(english: WordAligner, window: SpeechSegment) -> None:
    """The library stretches all times over the first one and loses the words of the others."""
    sound = clip("00")
    words, _ = align_windows([RecognisedWindow(window, tuple(TEXTS["00"].split()))], sound, english)
    assert {word.timing for word in words} == {"recognised"}
    assert max(errors_s(words, ["00"])) <= 0.05
    assert_ordered(words, sound.duration_s)


def test_words_that_fit_nowhere_are_interpolated(english: WordAligner) -> None:
    window = RecognisedWindow(SpeechSegment(0.5, 1.0), ("interminable",) * 40)
    words, _ = align_windows([window], clip("00"), english)
    assert {word.timing for word in words} == {"interpolated"}
    assert (words[0].start_s, words[-1].end_s) == (0.5, 1.0)
    assert_ordered(words, 1.0)


def test_text_too_long_for_the_audio_is_anchored_and_counted(whisperx: WhisperXAligner) -> None:
    text = TEXTS["00"] + " interminable" * 25
    transcript = whisperx.align(clip("00"), text)
    words = words_of(transcript)
    assert [word.word for word in words] == text.split()
    assert_ordered(words, clip("00").duration_s)
    # How many of the words before fit exactly depends on the rounding of the processor.
    interpolated = sum(word.timing == "interpolated" for word in words)
    assert 25 <= interpolated < len(words)
    assert {word.timing for word in words} == {"recognised", "interpolated"}
    warning = f"{interpolated} of {len(words)} words could not be aligned; their times were interpolated"
    assert transcript.warnings == (warning,)


def test_segment_without_recognised_word_is_counted(english: WordAligner) -> None:
    """The library keeps a segment without words; here it is one unknown word."""
    windows = [
        RecognisedWindow(SpeechSegment(0.0, 0.2), ()),
        RecognisedWindow(SpeechSegment(0.2, clip("00").duration_s), tuple(TEXTS["00"].split())),
    ]
    words, breaks = align_windows(windows, clip("00"), english)
    assert words[0] == TimedWord("", 0.0, 0.2, "interpolated")
    assert breaks == [0, 1]
    assert recognition_warnings(words) == (
        "no word was recognised in 1 speech segments; their emotion comes from the audio alone",
    )


def test_text_without_word_is_refused(whisperx: WhisperXAligner) -> None:
    for text in ("", "  ", "… –"):
        with pytest.raises(EmptyTranscriptError):
            whisperx.align(clip("00"), text)


def test_words_aligned_with_silence_are_doubtful(whisperx: WhisperXAligner) -> None:
    """Times inside a given segment without speech are invented; such words are doubtful."""
    silence = Waveform(np.zeros(32_000, np.float32), AudioSource(2.0, 16_000, 1), speech=((0.0, 2.0),))
    transcript = whisperx.align(silence, "red apple")
    assert [word.word for word in words_of(transcript)] == ["red", "apple"]
    assert any(word.doubtful for word in words_of(transcript))


def test_text_that_is_not_said_is_doubtful(whisperx: WhisperXAligner) -> None:
    words = words_of(whisperx.align(clip("00"), "xylophone zigzag jukebox"))
    assert sum(word.doubtful for word in words) > 0.2 * len(words)
    own = whisperx.align(clip("00"), TEXTS["00"])
    assert own.warnings == ()
    assert not any(word.doubtful for word in words_of(own))


@pytest.mark.parametrize("choice", ["pyannote", "none"])
def test_other_detectors_find_the_speech(models: WhisperXModels, choice: VadChoice) -> None:
    detector = make_detector(choice)
    sound, first_s = clip("00"), CLIPS["00"][0]["start"]
    [segment] = detector.detect(sound.samples)
    assert 0 <= segment.start_s <= first_s
    assert CLIPS["00"][-1]["start"] < segment.end_s <= sound.duration_s
    silence = detector.detect(np.zeros(32_000, np.float32))
    assert silence == (() if choice == "pyannote" else (SpeechSegment(0.0, 2.0),))


def test_without_detector_long_audio_is_cut_where_it_is_quiet() -> None:
    sound = np.concatenate([tone(8.0), np.zeros(8_000, np.float32), tone(30.0)])
    segments = make_detector("none").detect(sound)
    assert segments[0].end_s == pytest.approx(8.25, abs=0.3)
    assert max(segment.end_s - segment.start_s for segment in segments) <= 15
    assert [s.end_s for s in segments[:-1]] == [s.start_s for s in segments[1:]]


def test_long_audio_is_processed_in_windows(whisperx: WhisperXAligner, tiny_weights: Path) -> None:
    """A minute, in windows of one sentence and in parts of 30 s."""
    names = list(CLIPS)
    pause = np.zeros(8_000, np.float32)
    joined = waveform(np.concatenate([part for name in names for part in (clip(name).samples, pause)]))
    by_sentence = WhisperXAligner(
        WhisperXConfig(model="tiny-words", weights=str(tiny_weights), threads=1, window_s=2.5)
    )
    recognised = words_of(by_sentence.recognise(joined))
    assert_ordered(recognised, joined.duration_s)
    said = [word for text in TEXTS.values() for word in text.split()]
    assert np.mean([word in {w.word for w in recognised} for word in said]) > 0.9
    aligned = words_of(whisperx.align(joined, " ".join(said)))
    assert np.mean(np.array(errors_s(aligned, names, 0.5)) <= 0.05) >= 0.97


@pytest.mark.parametrize("file", ["whisper/tiny-words/model.bin", "align/en/model.safetensors"])
def test_damaged_weights_name_the_way_out(
    whisperx: WhisperXAligner, tiny_weights: Path, tmp_path: Path, file: str
) -> None:
    copytree(tiny_weights, tmp_path, dirs_exist_ok=True)
    (tmp_path / file).write_bytes((tiny_weights / file).read_bytes()[:5_000])
    aligner = WhisperXAligner(WhisperXConfig(model="tiny-words", weights=str(tmp_path), threads=1))
    with pytest.raises(AlignerUnavailableError, match="can-ser fetch"):
        aligner.warm_up()


def test_catalogue_equals_the_library_s(models: WhisperXModels) -> None:
    import torchaudio
    from faster_whisper.utils import _MODELS
    from whisperx import alignment
    from whisperx.utils import PUNKT_LANGUAGES

    assert _MODELS == catalogue.WHISPER_REPOSITORIES
    assert alignment.DEFAULT_ALIGN_MODELS_HF == catalogue.HUB_ALIGN_MODELS
    assert set(alignment.LANGUAGES_WITHOUT_SPACES) == catalogue.LANGUAGES_WITHOUT_SPACES
    assert PUNKT_LANGUAGES == catalogue.PUNKT_LANGUAGES
    torch_models = {language: each.pipeline for language, each in catalogue.TORCH_ALIGN_MODELS.items()}
    assert torch_models == alignment.DEFAULT_ALIGN_MODELS_TORCH
    for each in catalogue.TORCH_ALIGN_MODELS.values():
        assert getattr(torchaudio.pipelines, each.pipeline)._path == each.file


def test_no_network_connection_was_made(whisperx: WhisperXAligner, connections: list[str]) -> None:
    with pytest.raises(AlignmentError):
        whisperx.recognise(clip("00"), "fr")
    whisperx.recognise(clip("00"))
    assert connections == []
