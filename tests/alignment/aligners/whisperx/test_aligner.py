"""The real library on the models of forty words, offline."""

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from shutil import copytree, rmtree

import numpy as np
import pytest
from numpy.typing import NDArray

from alignment.aligners.weights import catalogue
from alignment.aligners.weights.config import VadChoice, WhisperXConfig
from alignment.aligners.whisperx.aligner import WhisperXAligner, _Heard, _time_windows, _warnings
from alignment.aligners.whisperx.models import WhisperXModels
from alignment.aligners.whisperx.recogniser import DecodingOptions, Window
from alignment.aligners.whisperx.speech_detection import make_detector
from alignment.aligners.whisperx.window_queue import WindowQueue
from alignment.aligners.whisperx.word_aligner import AlignmentInput, WordAligner
from alignment.audio import AudioSource, Waveform, decode_audio
from alignment.errors import (
    AlignerFailedError,
    AlignerUnavailableError,
    AlignmentError,
    EmptyTranscriptError,
    NoSpeechError,
    UnsupportedLanguageError,
)
from alignment.transcripts.utterances import SpeechSegment
from alignment.transcripts.words import TimedWord, Transcript
from tests.builders import noise, tiny_clips, tiny_speech, tone

CLIPS = tiny_clips()
TEXTS = {name: " ".join(word["word"] for word in words) for name, words in CLIPS.items()}


@pytest.fixture(scope="session")
def models(whisperx: WhisperXAligner) -> WhisperXModels:
    return whisperx._load()[0]


@pytest.fixture(scope="session")
def english(models: WhisperXModels) -> WordAligner:
    return models.word_aligner("en")


@pytest.fixture
def in_german(whisperx: WhisperXAligner, tiny_weights: Path, tmp_path: Path) -> WhisperXAligner:
    """Preset to German, whose alignment model is the English one; English has none here."""
    copytree(tiny_weights, tmp_path, dirs_exist_ok=True)
    rmtree(tmp_path / "align" / "en")
    rmtree(tmp_path / "nltk_data/tokenizers/punkt_tab/english")
    return WhisperXAligner(WhisperXConfig(model="tiny-words", language="de", weights=str(tmp_path), threads=1))


def clip(name: str) -> Waveform:
    return decode_audio(tiny_speech(name))


def waveform(samples: NDArray[np.float32]) -> Waveform:
    return Waveform(samples, AudioSource(len(samples) / 16_000, 16_000, 1))


def words_of(transcript: Transcript) -> list[TimedWord]:
    return [word for utterance in transcript.utterances for word in utterance.words]


def assert_ordered(words: list[TimedWord], duration_s: float) -> None:
    times = [time_s for word in words for time_s in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= duration_s


def off_s(words: list[TimedWord], names: list[str], gap_s: float = 0.0) -> list[float]:
    """How far each word's start is from where espeak-ng began it, clips joined."""
    starts, passed_s = [], 0.0
    for name in names:
        starts += [passed_s + word["start"] for word in CLIPS[name]]
        passed_s += clip(name).duration_s + gap_s
    return [abs(word.start_s - start_s) for word, start_s in zip(words, starts, strict=True)]


def test_a_given_text_is_timed_to_50_ms(whisperx: WhisperXAligner) -> None:
    off = []
    for name, text in TEXTS.items():
        words = words_of(whisperx.align(clip(name), text))
        assert " ".join(word.word for word in words) == text
        assert {word.timing for word in words} == {"aligned"}
        # The library's are numpy's, which JSON does not know.
        assert {type(value) for word in words for value in (word.start_s, word.end_s, word.score)} == {float}
        off += off_s(words, [name])
    assert np.mean(np.array(off) <= 0.05) >= 0.97


def test_times_are_the_library_s_own(english: WordAligner) -> None:
    from whisperx.alignment import align

    metadata = {"language": "en", "dictionary": english._columns, "type": "huggingface"}
    for name, text in [*list(TEXTS.items())[:6], ("00", "4 apples €5 – 日本 naïve don't")]:
        sound = clip(name).samples
        segment = {"text": text, "start": 0.0, "end": len(sound) / 16_000}
        theirs = align([segment], english._network, metadata, sound, "cpu")["word_segments"]
        [ours] = english.find_words([AlignmentInput([sound], text.split())])
        assert ours is not None
        for mine, word in zip(ours, theirs, strict=True):
            assert mine.span == pytest.approx((word["start"], word["end"]), abs=0.02)
            assert mine.score == pytest.approx(word["score"], abs=0.01)


def test_eight_threads_answer_as_one_does(models: WhisperXModels) -> None:
    """Languages and numerals mixed, with windows that fail and callers that are gone in between."""
    names = list(CLIPS)[:6]
    manners = [
        DecodingOptions("en"),
        DecodingOptions("en", numerals=True),
        DecodingOptions("de"),
        DecodingOptions("en", task="translate"),
    ]
    asked = [Window(clip(name).samples[:24_000], manner) for name in names for manner in manners]
    alone = [models.recogniser.transcribe_many([window])[0] for window in asked]
    queue = WindowQueue(models.recogniser.transcribe_many, 4, 120)
    in_no_time = WindowQueue(models.recogniser.transcribe_many, 4, 0.0)
    in_no_time._waiting, in_no_time._recogniser = queue._waiting, queue._recogniser
    too_long = Window(noise(31.0), DecodingOptions("en"))

    def ask(index: int) -> str | None:
        if index % 7 == 0:
            with pytest.raises(AlignerFailedError):
                queue.transcribe([too_long])
        if index % 5 == 0:
            with suppress(AlignerFailedError):
                in_no_time.transcribe([asked[index]])
        return queue.transcribe([asked[index]])[0]

    order = list(range(len(asked)))
    random.Random(0).shuffle(order)
    with ThreadPoolExecutor(8) as pool:
        answers = dict(zip(order, pool.map(ask, order), strict=True))
    assert [answers[index] for index in range(len(asked))] == alone


def test_numerals(models: WhisperXModels) -> None:
    """Without them no token with a digit can come out; each manner has options of its own."""
    _, spelled = models.recogniser._options_of(DecodingOptions("en"))
    tokenizer, written = models.recogniser._options_of(DecodingOptions("en", numerals=True))
    digits = {token for token in range(tokenizer.eot) if set(tokenizer.decode([token])) & set("0123456789%$£")}
    assert digits
    assert digits <= set(spelled.suppress_tokens)
    assert not digits & set(written.suppress_tokens)


def test_language_is_preset_asked_for_or_detected(whisperx: WhisperXAligner) -> None:
    for language in (None, "en", "EN-us", "auto"):
        assert whisperx.recognise(clip("00"), language).aligner.language == "en"
    with pytest.raises(UnsupportedLanguageError, match="can-ser fetch --language fr"):
        whisperx.recognise(clip("00"), "fr")
    with pytest.raises(UnsupportedLanguageError, match="every language that Whisper knows"):
        whisperx.align(clip("00"), "one", "xx")


def test_a_detected_language_without_an_alignment_model(in_german: WhisperXAligner) -> None:
    assert in_german.align(clip("00"), TEXTS["00"]).aligner.language == "de"
    with pytest.raises(UnsupportedLanguageError, match=r"'en, detected with a probability of \d\.\d+,'.* handles de;"):
        in_german.recognise(clip("00"), "auto")


def test_a_language_whose_sentence_ends_are_not_here(in_german: WhisperXAligner, tmp_path: Path) -> None:
    """The library would find out in the middle of `align`."""
    in_german._load()
    (tmp_path / "nltk_data/tokenizers/punkt_tab/german").rename(tmp_path / "elsewhere")
    with pytest.raises(UnsupportedLanguageError, match="can-ser fetch --language de"):
        in_german.recognise(clip("00"))


@pytest.mark.parametrize(
    "sound",
    [np.zeros(16_000, np.float32), noise(2.0), noise(0.1), tone(1.0)],
    ids=["silence", "noise", "0.1 s", "tone"],
)
def test_nobody_speaks(whisperx: WhisperXAligner, sound: NDArray[np.float32]) -> None:
    with pytest.raises(NoSpeechError):
        whisperx.recognise(waveform(sound))
    with pytest.raises(NoSpeechError):
        whisperx.align(waveform(sound), "hello")


def test_digits_symbols_and_other_scripts_get_times(whisperx: WhisperXAligner) -> None:
    words = words_of(whisperx.align(clip("00"), "42 $5 日本 …"))
    assert [word.word for word in words] == ["42", "$5", "日本"]
    assert {word.timing for word in words} == {"aligned"}
    assert_ordered(words, clip("00").duration_s)


def test_words_that_do_not_fit_their_window_are_found_around_it(english: WordAligner) -> None:
    name = "00"
    sound, start_s = clip(name), CLIPS[name][0]["start"]
    lost = _Heard(SpeechSegment(start_s, start_s + 0.2), tuple(TEXTS[name].split()))
    words, breaks = _time_windows([lost], sound, english)
    assert {word.timing for word in words} == {"recognised"}
    assert max(off_s(words, [name])) <= 0.05
    assert breaks == [0]


@pytest.mark.parametrize(
    "window", [SpeechSegment(0.0, 77.0), SpeechSegment(50.0, 52.0), SpeechSegment(1.0, 1.0), SpeechSegment(1.5, 0.5)]
)
def test_a_window_past_the_audio_or_without_length(english: WordAligner, window: SpeechSegment) -> None:
    """The library stretches all times over the first, and loses the words of the others."""
    sound = clip("00")
    words, _ = _time_windows([_Heard(window, tuple(TEXTS["00"].split()))], sound, english)
    assert {word.timing for word in words} == {"recognised"}
    assert max(off_s(words, ["00"])) <= 0.05
    assert_ordered(words, sound.duration_s)


def test_words_that_fit_nowhere_are_spread_over_their_window(english: WordAligner) -> None:
    lost = _Heard(SpeechSegment(0.5, 1.0), ("interminable",) * 40)
    words, _ = _time_windows([lost], clip("00"), english)
    assert {word.timing for word in words} == {"interpolated"}
    assert (words[0].start_s, words[-1].end_s) == (0.5, 1.0)
    assert_ordered(words, 1.0)


def test_a_text_without_room_is_anchored_and_counted(whisperx: WhisperXAligner) -> None:
    text = TEXTS["00"] + " interminable" * 25
    transcript = whisperx.align(clip("00"), text)
    words = words_of(transcript)
    assert [word.word for word in words] == text.split()
    assert_ordered(words, clip("00").duration_s)
    assert "25 of " in " ".join(transcript.warnings)
    assert {word.timing for word in words} == {"recognised", "interpolated"}


def test_speech_in_which_no_word_was_recognised_is_counted(english: WordAligner) -> None:
    """The library keeps a segment without words; here it is one unknown word, whose sound is judged."""
    windows = [
        _Heard(SpeechSegment(0.0, 0.2), ()),
        _Heard(SpeechSegment(0.2, clip("00").duration_s), tuple(TEXTS["00"].split())),
    ]
    words, breaks = _time_windows(windows, clip("00"), english)
    assert words[0] == TimedWord("", 0.0, 0.2, "interpolated")
    assert breaks == [0, 1]
    assert _warnings(words) == ("no word was recognised in 1 stretches of speech; the sound alone was judged there",)


def test_a_text_without_a_word(whisperx: WhisperXAligner) -> None:
    for text in ("", "  ", "… –"):
        with pytest.raises(EmptyTranscriptError):
            whisperx.align(clip("00"), text)


def test_words_that_silence_is_said_to_hold_are_reported(whisperx: WhisperXAligner) -> None:
    """The caller says that somebody speaks; times are invented then, and it is told."""
    silence = Waveform(np.zeros(32_000, np.float32), AudioSource(2.0, 16_000, 1), speech=((0.0, 2.0),))
    transcript = whisperx.align(silence, "red apple")
    assert [word.word for word in words_of(transcript)] == ["red", "apple"]
    assert "of 2 words fit their sound badly" in transcript.warnings[0]


def test_a_text_that_is_not_said_is_reported(whisperx: WhisperXAligner) -> None:
    transcript = whisperx.align(clip("00"), "xylophone zigzag jukebox")
    assert any("fit their sound badly" in warning for warning in transcript.warnings)
    assert not whisperx.align(clip("00"), TEXTS["00"]).warnings


@pytest.mark.parametrize("choice", ["pyannote", "none"])
def test_other_detectors(models: WhisperXModels, choice: VadChoice) -> None:
    detector = make_detector(choice)
    sound, first_s = clip("00"), CLIPS["00"][0]["start"]
    [stretch] = detector.detect(sound.samples)
    assert 0 <= stretch.start_s <= first_s
    assert CLIPS["00"][-1]["start"] < stretch.end_s <= sound.duration_s
    silence = detector.detect(np.zeros(32_000, np.float32))
    assert silence == (() if choice == "pyannote" else (SpeechSegment(0.0, 2.0),))


def test_without_a_detector_long_sound_is_cut_where_it_is_quiet() -> None:
    sound = np.concatenate([tone(8.0), np.zeros(8_000, np.float32), tone(30.0)])
    stretches = make_detector("none").detect(sound)
    assert stretches[0].end_s == pytest.approx(8.25, abs=0.3)
    assert max(stretch.end_s - stretch.start_s for stretch in stretches) <= 15
    assert [s.end_s for s in stretches[:-1]] == [s.start_s for s in stretches[1:]]


def test_long_audio_goes_in_windows(whisperx: WhisperXAligner, tiny_weights: Path) -> None:
    """A minute, in windows of one sentence and in parts of 30 s."""
    names = list(CLIPS)
    pause = np.zeros(8_000, np.float32)
    joined = waveform(np.concatenate([part for name in names for part in (clip(name).samples, pause)]))
    by_sentence = WhisperXAligner(
        WhisperXConfig(model="tiny-words", weights=str(tiny_weights), threads=1, window_s=2.5)
    )
    heard = words_of(by_sentence.recognise(joined))
    assert_ordered(heard, joined.duration_s)
    said = [word for text in TEXTS.values() for word in text.split()]
    assert np.mean([word in {w.word for w in heard} for word in said]) > 0.9
    aligned = words_of(whisperx.align(joined, " ".join(said)))
    assert np.mean(np.array(off_s(aligned, names, 0.5)) <= 0.05) >= 0.97


@pytest.mark.parametrize("file", ["whisper/tiny-words/model.bin", "align/en/model.safetensors"])
def test_damaged_weights(whisperx: WhisperXAligner, tiny_weights: Path, tmp_path: Path, file: str) -> None:
    copytree(tiny_weights, tmp_path, dirs_exist_ok=True)
    (tmp_path / file).write_bytes((tiny_weights / file).read_bytes()[:5_000])
    aligner = WhisperXAligner(WhisperXConfig(model="tiny-words", weights=str(tmp_path), threads=1))
    with pytest.raises(AlignerUnavailableError, match="can-ser fetch"):
        aligner.warm_up()


def test_the_catalogue_is_the_library_s(models: WhisperXModels) -> None:
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


def test_nothing_was_asked_of_the_network(whisperx: WhisperXAligner, connections: list[str]) -> None:
    with pytest.raises(AlignmentError):
        whisperx.recognise(clip("00"), "fr")
    whisperx.recognise(clip("00"))
    assert connections == []
