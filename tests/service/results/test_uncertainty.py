import pytest

from alignment.audio import AudioSource, Waveform
from alignment.quality import SoundQuality
from model.bundle import Bundle
from service.inference.engine import EmotionEngine
from service.inference.request import AnalysisRequest
from service.observability.stopwatch import Stopwatch
from service.results.serialisation import to_response
from service.results.uncertainty import Evidence, assess, combine_evidence, warn_of_doubtful_words, warn_of_unknown_text
from service.settings import Settings
from tests.builders import encode, noise
from tests.fakes import FakeAligner

CLEAR = SoundQuality(-26.0, 40.0, None)
CLOSE = "angry and happy are almost equally likely"


def reasons(evidence: Evidence, *, second: float = 0.2) -> list[str]:
    """Reasons for a confidence of .4."""
    assessment = assess({"sad": 0.05, "angry": 0.4, "happy": second}, evidence, 0.5)
    assert assessment["uncertain"] is True
    assert assessment["confidence"] == 0.4
    found: list[str] = assessment["uncertain_reasons"]
    return found


@pytest.mark.parametrize(
    ("evidence", "second", "expected"),
    [
        (Evidence(2.0, 4, 4, CLEAR), 0.2, []),
        (Evidence(2.0, 4, 4), 0.2, []),
        (Evidence(2.0, 4, 4, CLEAR), 0.31, [CLOSE]),
        (Evidence(2.0, 4, 4, CLEAR), 0.29, []),
        (Evidence(2.0, 4, 2, CLEAR), 0.2, []),
        (Evidence(2.0, 4, 1, CLEAR), 0.2, ["most words are unknown to the weights"]),
        (Evidence(2.0, 0, 0, CLEAR), 0.2, ["no word was recognised"]),
        (Evidence(0.6, 4, 4, CLEAR), 0.2, ["the speech is short (0.6 s)"]),
        (Evidence(2.0, 1, 1, CLEAR), 0.2, ["the speech is short (1 word)"]),
        (Evidence(0.6, 1, 1, CLEAR), 0.2, ["the speech is short (0.6 s)"]),
        (Evidence(2.0, 4, 4, SoundQuality(-26.0, 40.0, 4_000.0)), 0.2, ["the band of the sound ends at 4.0 kHz"]),
        (
            Evidence(2.0, 4, 4, SoundQuality(-26.0, 8.2, None)),
            0.2,
            ["the sound is noisy (signal-to-noise ratio about 8 dB)"],
        ),
        (Evidence(2.0, 4, 4, SoundQuality(-26.0, 15.0, None)), 0.2, []),
        (Evidence(2.0, 4, 4, CLEAR, 2.1), 0.2, ["the sound is unlike the training data of the weights"]),
        (Evidence(2.0, 4, 4, CLEAR, 1.9), 0.2, []),
        (Evidence(2.0, 5, 5, CLEAR, None, 1), 0.2, []),
        (Evidence(2.0, 4, 4, CLEAR, None, 1), 0.2, ["many words are doubtful"]),
    ],
)
def test_reasons(evidence: Evidence, second: float, expected: list[str]) -> None:
    assert reasons(evidence, second=second) == expected


def test_all_reasons_at_once() -> None:
    assert len(reasons(Evidence(0.5, 3, 0, SoundQuality(-26.0, 2.0, 3_400.0)), second=0.4)) == 5


@pytest.mark.parametrize(("threshold", "uncertain"), [(0.6, True), (0.55, False), (0.5, False), (0.0, False)])
def test_emotion_is_uncertain_below_threshold(threshold: float, uncertain: bool) -> None:
    assessment = assess({"angry": 0.55, "sad": 0.45}, Evidence(0.2, 1, 0), threshold)
    assert assessment["uncertain"] is uncertain
    assert bool(assessment["uncertain_reasons"]) is uncertain


def test_evidence_of_several_utterances() -> None:
    noisy = SoundQuality(-26.0, 5.0, None)
    combined = combine_evidence([Evidence(0.6, 1, 0, noisy, None, 1), Evidence(2.0, 3, 2, CLEAR, None, 2)])
    assert combined == Evidence(2.6, 4, 2, CLEAR, None, 3)


def test_quality_of_the_waveform_reaches_the_response(tiny_bundle: Bundle) -> None:
    engine = EmotionEngine(Settings(bundle=str(tiny_bundle.folder), uncertain_below=1.0), aligner=FakeAligner())
    telephone = SoundQuality(-26.0, 9.0, 3_400.0)
    waveform = Waveform(noise(3.0), AudioSource(3.0, 8_000, 1), quality=telephone)
    analysis = engine.start(waveform, AnalysisRequest(), Stopwatch()).run().finish({})
    assert [each.quality for each in analysis.utterances] == [telephone]
    response = to_response(analysis, engine)
    for each in (response, response.utterances[0]):
        assert "the band of the sound ends at 3.4 kHz" in each.uncertain_reasons
        assert "the sound is noisy (signal-to-noise ratio about 9 dB)" in each.uncertain_reasons


def test_warning_needs_words_that_are_all_unknown() -> None:
    assert warn_of_unknown_text(Evidence(2.0, 4, 0)) == [
        "none of the words is in the vocabulary of the weights; of the text, only the number of words contributes"
    ]
    assert warn_of_unknown_text(Evidence(2.0, 4, 1)) == []
    assert warn_of_unknown_text(Evidence(2.0, 0, 0)) == []


@pytest.mark.parametrize(("doubtful", "words", "warned"), [(0, 0, False), (1, 5, False), (2, 9, True), (1, 1, True)])
def test_warning_needs_more_than_a_fifth_of_doubtful_words(doubtful: int, words: int, warned: bool) -> None:
    warnings = warn_of_doubtful_words(Evidence(2.0, words, words, doubtful_words=doubtful))
    assert [warning.split(" doubtful")[0] for warning in warnings] == (
        [f"{doubtful} of {words} {'word is' if words == 1 else 'words are'}"] if warned else []
    )


def test_doubtful_words_reach_the_response(tiny_bundle: Bundle) -> None:
    aligner = FakeAligner()
    aligner.doubtful = {"children"}
    engine = EmotionEngine(Settings(bundle=str(tiny_bundle.folder)), aligner=aligner)
    response = to_response(engine.analyse(encode(noise(3.0))), engine)
    assert [(word.word, word.doubtful) for word in response.words] == [("the", False), ("children", True)]
    assert [word.word for word in response.doubtful_words] == ["children"]
    assert any(warning.startswith("1 of 2 words are doubtful") for warning in response.warnings)
    assert "the children (?)" in str(response)
    assert [row["doubtful"] for row in response.word_rows()] == [False, True]
