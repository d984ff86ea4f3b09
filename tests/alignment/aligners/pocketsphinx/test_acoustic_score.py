"""Scores of aligned words, and the words that they mark as doubtful on recorded speech."""

from math import exp
from pathlib import Path

import pytest

from alignment.aligners.moonshine.aligner import MoonshineAligner
from alignment.aligners.pocketsphinx.acoustic_score import AcousticMatch, score_words
from alignment.aligners.pocketsphinx.aligner import PocketSphinxAligner
from alignment.aligners.protocol import Aligner
from alignment.audio import Waveform, decode_audio
from model.corpora.ravdess import SENTENCES
from tests.builders import speech, spoken_words

UNRELATED = "a green apple fell from that tree"


@pytest.fixture(params=["moonshine", "pocketsphinx"])
def aligner(request: pytest.FixtureRequest) -> Aligner:
    aligner: MoonshineAligner | PocketSphinxAligner = request.getfixturevalue(request.param)
    return aligner


def share_of_doubtful(aligner: Aligner, waveform: Waveform, text: str) -> float:
    words = [word for utterance in aligner.align(waveform, text).utterances for word in utterance.words]
    return sum(word.doubtful for word in words) / len(words)


def test_score_follows_mean_of_word_and_neighbours() -> None:
    [alone] = score_words([AcousticMatch(-60.0, 20)])
    assert alone == pytest.approx(0.5)
    first, second, third = score_words([AcousticMatch(-30.0, 20), AcousticMatch(-120.0, 20), AcousticMatch(-30.0, 20)])
    assert first == third == pytest.approx(1 / (1 + exp(-3)))
    assert second == pytest.approx(1 / (1 + exp(3 * (0.7 * 4 + 0.3 * 1 - 2))))


def test_word_past_range_of_likelihoods_does_not_match() -> None:
    [score] = score_words([AcousticMatch(-708.4, 800)])
    assert score < 1e-6


def test_long_right_word_matches() -> None:
    [score] = score_words([AcousticMatch(-400.0, 400)])
    assert score > 0.9


@pytest.mark.parametrize("name", ["garden", "numbers"])
def test_own_words_are_certain(aligner: Aligner, name: str) -> None:
    own = " ".join(word["word"] for word in spoken_words(name))
    assert share_of_doubtful(aligner, decode_audio(speech(name)), own) <= 0.2


def test_one_wrong_word_leaves_the_others_certain(aligner: Aligner) -> None:
    """The sound of a wrong word may be shared with its neighbours."""
    transcript = aligner.align(decode_audio(speech("numbers")), "She paid forty-two mountains for the old book")
    doubtful = [word.word for utterance in transcript.utterances for word in utterance.words if word.doubtful]
    assert doubtful
    assert set(doubtful) <= {"forty-two", "mountains", "for"}


def test_transcript_of_natural_speech(aligner: Aligner, real_speech: Path) -> None:
    waveform = decode_audio((real_speech / "jfk.flac").read_bytes())
    own = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"
    assert share_of_doubtful(aligner, waveform, own) <= 0.2
    assert share_of_doubtful(aligner, waveform, " ".join([UNRELATED] * 3)) > 0.5


@pytest.mark.slow
def test_unrelated_transcripts_of_acted_speech(aligner: Aligner, ravdess: Path) -> None:
    clips = [path for path in sorted(ravdess.glob("Actor_0[1-3]/03-01-*")) if path.suffix in {".flac", ".wav"}][::15]
    assert len(clips) >= 8
    waveforms = [(decode_audio(path.read_bytes()), SENTENCES[path.stem.split("-")[4]]) for path in clips]
    own = [share_of_doubtful(aligner, waveform, text) for waveform, text in waveforms]
    unrelated = [share_of_doubtful(aligner, waveform, UNRELATED) for waveform, _ in waveforms]
    assert sum(share > 0.2 for share in own) <= len(clips) / 8
    assert min(unrelated) > 0.2
