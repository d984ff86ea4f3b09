from collections import Counter
from pathlib import Path

import numpy as np
import psutil
import pytest

from alignment.aligners.pocketsphinx import worker
from alignment.aligners.pocketsphinx.aligner import PocketSphinxAligner
from alignment.audio import AudioSource, Waveform, decode_audio
from alignment.errors import EmptyTranscriptError, NoSpeechError, UnsupportedLanguageError
from alignment.transcripts.words import Transcript
from tests.builders import noise, speech, spoken_words


def words_of(transcript: Transcript) -> list[str]:
    return [word.word for utterance in transcript.utterances for word in utterance.words]


def waveform_of(samples: np.ndarray) -> Waveform:
    return Waveform(samples, AudioSource(len(samples) / 16_000, 16_000, 1))


class TestRecognition:
    def test_words_have_times(self, pocketsphinx: PocketSphinxAligner) -> None:
        waveform = decode_audio(speech("numbers"))
        transcript = pocketsphinx.recognise(waveform)
        [utterance] = transcript.utterances
        truth = spoken_words("numbers")
        recognised = {word.word: word for word in utterance.words}
        known = [word for word in truth if word["word"] in recognised and word["start"] is not None]
        assert len(known) >= 7
        for word in known:
            assert recognised[word["word"]].start_s == pytest.approx(word["start"], abs=0.1)
        assert all(word.timing == "recognised" and 0 <= (word.score or 0) <= 1 for word in utterance.words)

    def test_pauses_separate_utterances(self, pocketsphinx: PocketSphinxAligner) -> None:
        transcript = pocketsphinx.recognise(decode_audio(speech("garden")))
        first, second = transcript.utterances
        assert first.end_s < second.start_s
        for utterance in (first, second):
            assert all(utterance.start_s <= w.start_s <= w.end_s <= utterance.end_s for w in utterance.words)

    def test_natural_speech_is_recognised(self, pocketsphinx: PocketSphinxAligner, real_speech: Path) -> None:
        said = (
            "and so my fellow americans ask not what your country can do for you ask what you can do for your country"
        ).split()
        recognised = words_of(pocketsphinx.recognise(decode_audio((real_speech / "jfk.flac").read_bytes())))
        assert (Counter(said) & Counter(recognised)).total() >= 12

    def test_noise_holds_no_speech(self, pocketsphinx: PocketSphinxAligner) -> None:
        with pytest.raises(NoSpeechError):
            pocketsphinx.recognise(waveform_of(noise(2.0)))

    @pytest.mark.parametrize("language", ["de", "fr-FR"])
    def test_other_languages_are_refused(self, pocketsphinx: PocketSphinxAligner, language: str) -> None:
        with pytest.raises(UnsupportedLanguageError):
            pocketsphinx.recognise(decode_audio(speech("numbers")), language)

    def test_regional_english_is_accepted(self, pocketsphinx: PocketSphinxAligner) -> None:
        assert pocketsphinx.recognise(decode_audio(speech("numbers")), "en-GB").utterances


class TestAlignment:
    @pytest.mark.parametrize("name", ["garden", "numbers"])
    def test_words_start_when_they_are_spoken(self, pocketsphinx: PocketSphinxAligner, name: str) -> None:
        truth = spoken_words(name)
        transcript = pocketsphinx.align(decode_audio(speech(name)), " ".join(word["word"] for word in truth))
        found = [word for utterance in transcript.utterances for word in utterance.words]
        assert [word.word for word in found] == [word["word"] for word in truth]
        assert {word.timing for word in found} == {"aligned"}
        pairs = [(word, true["start"]) for word, true in zip(found, truth, strict=True) if true["start"] is not None]
        errors_s = np.abs([word.start_s - true_s for word, true_s in pairs])
        assert errors_s.max() <= 0.1
        assert np.mean(errors_s <= 0.05) >= 0.9
        assert transcript.warnings == ()

    def test_digits_and_symbols_have_the_time_of_their_spoken_words(self, pocketsphinx: PocketSphinxAligner) -> None:
        transcript = pocketsphinx.align(decode_audio(speech("numbers")), "She paid $42 for the old book.")
        words = {word.word: word for word in transcript.utterances[0].words}
        starts = {word["word"]: word["start"] for word in spoken_words("numbers")}
        assert words["$42"].start_s == pytest.approx(starts["forty"], abs=0.07)
        assert words["$42"].end_s == pytest.approx(starts["for"], abs=0.1)

    def test_unknown_words_are_guessed_and_marked(self, pocketsphinx: PocketSphinxAligner) -> None:
        transcript = pocketsphinx.align(
            decode_audio(speech("numbers")), "she paid forty two dollars for the ould buook"
        )
        guessed = [w.word for w in transcript.utterances[0].words if w.guessed_pronunciation]
        assert guessed == ["ould", "buook"]
        assert "ould, buook" in transcript.warnings[0]

    def test_word_without_pronunciation_is_interpolated_and_marked(self, pocketsphinx: PocketSphinxAligner) -> None:
        transcript = pocketsphinx.align(
            decode_audio(speech("numbers")), "she paid forty two dollars for 日本 the old book"
        )
        timing = {word.word: word.timing for word in transcript.utterances[0].words}
        assert timing["日本"] == "interpolated"
        assert timing["old"] == "aligned"
        assert transcript.warnings == ("1 of 10 words could not be aligned; their times were interpolated",)

    def test_unrelated_transcript_gives_a_warning(self, pocketsphinx: PocketSphinxAligner) -> None:
        text = " ".join(["completely", "different", "vocabulary"] * 12) + " forty two"
        transcript = pocketsphinx.align(decode_audio(speech("numbers")), text)
        words = [word for utterance in transcript.utterances for word in utterance.words]
        assert [word.word for word in words] == text.split()
        assert "does not match" in transcript.warnings[0]
        starts = [word.start_s for word in words]
        assert starts == sorted(starts)

    @pytest.mark.parametrize("text", ["", "   ", "... — !"])
    def test_transcript_without_word_is_refused(self, pocketsphinx: PocketSphinxAligner, text: str) -> None:
        with pytest.raises(EmptyTranscriptError):
            pocketsphinx.align(decode_audio(speech("numbers")), text)


class TestProcesses:
    @pytest.mark.slow
    def test_result_does_not_depend_on_earlier_calls(self, pocketsphinx: PocketSphinxAligner) -> None:
        waveform = decode_audio(speech("garden"))
        before = pocketsphinx.recognise(waveform)
        pocketsphinx.recognise(decode_audio(speech("numbers")))
        pocketsphinx.align(waveform, "something else entirely zyxxyz")
        assert pocketsphinx.recognise(waveform) == before

    @pytest.mark.slow
    def test_killed_worker_is_replaced(self) -> None:
        aligner = PocketSphinxAligner(1)
        try:
            aligner.warm_up()
            before = aligner.recognise(decode_audio(speech("numbers")))
            workers = [p for p in psutil.Process().children(recursive=True) if "spawn_main" in " ".join(p.cmdline())]
            assert workers
            for process in workers:
                process.kill()
            assert aligner.recognise(decode_audio(speech("numbers"))) == before
        finally:
            aligner.close()

    def test_dictionary_size_is_bounded(self) -> None:
        decoder = worker.PocketSphinxDecoder()
        pcm = bytes(32_000)
        letters = "abcdefghij"
        for start in range(0, worker.MAX_ADDED_WORDS + 2_000, 1_000):
            unknown = ["zq" + "".join(letters[int(digit)] for digit in f"{start + n:05d}") for n in range(1_000)]
            decoder.align(pcm, [(word,) for word in unknown])
        assert decoder.added_words <= worker.MAX_ADDED_WORDS
