from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter

from alignment.aligners.moonshine.aligner import MoonshineAligner
from alignment.aligners.pocketsphinx.processes import PocketSphinxProcesses
from alignment.audio import AudioSource, Waveform, decode_audio
from alignment.errors import EmptyTranscriptError, NoSpeechError, UnsupportedLanguageError
from alignment.transcripts.normalisation import spoken_words as spoken_form
from alignment.transcripts.words import TimedWord, Transcript
from tests.builders import noise, speech, spoken_words, tone

RATE_HZ = 16_000
JFK = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"


def words_of(transcript: Transcript) -> list[TimedWord]:
    return [word for utterance in transcript.utterances for word in utterance.words]


def waveform_of(samples: NDArray[np.floating]) -> Waveform:
    return Waveform(samples.astype(np.float32), AudioSource(len(samples) / RATE_HZ, RATE_HZ, 1))


def cough() -> NDArray[np.float64]:
    """Three bursts of noise through a resonance, of a quarter of a second each."""
    generator = np.random.default_rng(3)
    samples = generator.standard_normal(5 * RATE_HZ) * 1e-4
    for start_s in (1.0, 1.6, 3.2):
        burst = generator.standard_normal(RATE_HZ // 4) * np.exp(-np.arange(RATE_HZ // 4) / 1_000)
        burst = lfilter([1], [1, -2 * 0.97 * np.cos(0.3), 0.97**2], burst)
        samples[int(start_s * RATE_HZ) :][: len(burst)] += 0.5 * burst / np.abs(burst).max()
    return samples


def music() -> NDArray[np.float64]:
    """Chords of decaying harmonic tones."""
    time_s = np.arange(5 * RATE_HZ) / RATE_HZ
    samples = np.zeros(len(time_s))
    for beat, root_hz in enumerate((131, 165, 196, 175, 147, 131, 220, 131)):
        since_s = time_s - 0.6 * beat
        for ratio in (1, 1.25, 1.5):
            for harmonic in range(1, 8):
                tone_hz = root_hz * ratio * harmonic
                samples += (
                    (since_s > 0) * np.exp(-4 * np.maximum(since_s, 0)) * np.sin(6.283 * tone_hz * since_s) / harmonic
                )
    return np.asarray(0.3 * samples / np.abs(samples).max())


class TestRecognition:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("numbers", ["She paid forty-two dollars for the old book."]),
            ("garden", ["The children are playing in the garden.", "It was a very good day."]),
        ],
    )
    def test_text_is_as_written(self, moonshine: MoonshineAligner, name: str, text: list[str]) -> None:
        transcript = moonshine.recognise(decode_audio(speech(name)))
        assert [utterance.text for utterance in transcript.utterances] == text
        assert all(word.timing == "aligned" and 0.5 < (word.score or 0) <= 1 for word in words_of(transcript))
        assert transcript.warnings == ()

    def test_recognised_words_start_when_they_are_spoken(self, moonshine: MoonshineAligner) -> None:
        errors_s = [
            found.start_s - true_s
            for name in ("garden", "numbers")
            for found, true_s in zip(
                words_of(moonshine.recognise(decode_audio(speech(name)))), starts_of_written(name), strict=True
            )
            if true_s is not None
        ]
        within = [np.mean(np.abs(errors_s) <= limit_s) for limit_s in (0.05, 0.1)]
        assert within[0] >= 0.9
        assert within[1] >= 0.98

    def test_natural_speech_is_recognised(self, moonshine: MoonshineAligner, real_speech: Path) -> None:
        transcript = moonshine.recognise(decode_audio((real_speech / "jfk.flac").read_bytes()))
        assert [spoken for word in words_of(transcript) for spoken in spoken_form(word.word)] == JFK.split()

    @pytest.mark.parametrize(
        "samples",
        [noise(5.0), tone(5.0), 1e-5 * noise(5.0), cough(), music()],
        ids=["noise", "tone", "quiet", "cough", "music"],
    )
    def test_no_words_are_invented(self, moonshine: MoonshineAligner, samples: NDArray[np.floating]) -> None:
        try:
            transcript = moonshine.recognise(waveform_of(samples))
        except NoSpeechError:
            return
        assert all(word.word == "" for word in words_of(transcript))
        assert any("no word was recognised" in warning for warning in transcript.warnings)

    @pytest.mark.parametrize("language", ["de", "fr-FR"])
    def test_other_languages_are_refused(self, moonshine: MoonshineAligner, language: str) -> None:
        with pytest.raises(UnsupportedLanguageError, match="English"):
            moonshine.recognise(decode_audio(speech("numbers")), language)

    def test_regional_english_is_accepted(self, moonshine: MoonshineAligner) -> None:
        assert moonshine.recognise(decode_audio(speech("numbers")), "en-GB").utterances

    def test_states_cover_the_speech(self, moonshine: MoonshineAligner) -> None:
        transcript = moonshine.recognise(decode_audio(speech("garden")))
        [encoded] = transcript.encoded
        end_s = encoded.start_s + len(encoded.states) * 0.024
        assert encoded.start_s <= transcript.utterances[0].start_s
        assert end_s >= transcript.utterances[-1].words[-1].end_s
        assert encoded.states.shape[1] == 288


class TestLongSpeech:
    def test_words_at_cuts_are_neither_lost_nor_doubled(
        self, moonshine: MoonshineAligner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Three sentences without pauses between them, cut every few seconds."""
        monkeypatch.setattr("alignment.speech.voice_activity.MAX_UTTERANCE_S", 5.0)
        monkeypatch.setattr("alignment.aligners.moonshine.aligner._MAX_STRETCH_S", 5.0)
        garden, numbers = (decode_audio(speech(name)).samples for name in ("garden", "numbers"))
        parts = [(numbers, 0.2, 3.35), (garden, 0.2, 2.7), (numbers, 0.2, 3.6)]
        samples = np.concatenate([whole[int(a * RATE_HZ) : int(b * RATE_HZ)] for whole, a, b in parts])
        transcript = moonshine.recognise(waveform_of(samples))
        words = words_of(transcript)
        assert len(transcript.encoded) >= 2
        said = [spoken for word in words for spoken in spoken_form(word.word)]
        expected = (
            "she paid forty two dollars for the old book the children are playing in the garden she paid forty two "
            "dollars for the old book"
        ).split()
        assert said == expected
        assert all(before.end_s <= after.start_s + 1e-6 for before, after in pairwise(words))

    def test_given_segments_are_used(self, moonshine: MoonshineAligner) -> None:
        decoded = decode_audio(speech("garden"))
        waveform = Waveform(decoded.samples, decoded.source, speech=((0.0, 2.7),))
        assert [utterance.text for utterance in moonshine.recognise(waveform).utterances] == [
            "The children are playing in the garden."
        ]

    def test_long_given_segment_is_recognised_in_stretches(self, moonshine: MoonshineAligner) -> None:
        decoded = np.concatenate([decode_audio(speech(name)).samples for name in ("garden", "numbers") * 4])
        duration_s = len(decoded) / RATE_HZ
        waveform = Waveform(decoded, AudioSource(duration_s, RATE_HZ, 1), speech=((0.0, duration_s),))
        transcript = moonshine.recognise(waveform)
        assert max(len(encoded.states) for encoded in transcript.encoded) * 0.024 <= 21.5
        said = [spoken for word in words_of(transcript) for spoken in spoken_form(word.word)]
        assert said.count("garden") == 4
        assert said.count("book") == 4


class TestFailedAlignment:
    def test_words_are_anchored_or_interpolated_and_marked(
        self, moonshine: MoonshineAligner, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(self: PocketSphinxProcesses, sounds: Sequence[object], words: Sequence[object]) -> list[None]:
            return [None for _ in sounds]

        monkeypatch.setattr(PocketSphinxProcesses, "align", fail)
        transcript = moonshine.recognise(decode_audio(speech("numbers")))
        assert transcript.utterances[0].text == "She paid forty-two dollars for the old book."
        assert {word.timing for word in words_of(transcript)} == {"recognised", "interpolated"}
        assert any("could not be aligned" in warning for warning in transcript.warnings)


class TestAlignment:
    def test_given_text_is_aligned(self, moonshine: MoonshineAligner) -> None:
        transcript = moonshine.align(decode_audio(speech("numbers")), "She paid $42 for the old book.")
        words = {word.word: word for word in words_of(transcript)}
        starts = {word["word"]: word["start"] for word in spoken_words("numbers")}
        assert words["$42"].start_s == pytest.approx(starts["forty"], abs=0.07)
        assert words["$42"].end_s == pytest.approx(starts["for"], abs=0.1)

    def test_unrelated_text_is_anchored_in_recognised_words(self, moonshine: MoonshineAligner) -> None:
        text = " ".join(["completely", "different", "vocabulary"] * 12) + " forty two"
        transcript = moonshine.align(decode_audio(speech("numbers")), text)
        assert [word.word for word in words_of(transcript)] == text.split()
        assert "does not match" in transcript.warnings[0]

    def test_transcript_without_word_is_refused(self, moonshine: MoonshineAligner) -> None:
        with pytest.raises(EmptyTranscriptError):
            moonshine.align(decode_audio(speech("numbers")), "... !")


def starts_of_written(name: str) -> list[float | None]:
    """True starts of the words as Moonshine writes them: "forty-two" starts with "forty"."""
    return [word["start"] for word in spoken_words(name) if word["word"] != "two"]
