"""Sentences of the page about agreement and evidence, for given numbers."""

import pytest
from playwright.sync_api import Page

from tests.page.actions import call

pytestmark = pytest.mark.slow


def distribution(emotion: str, probability: float) -> dict[str, float]:
    rest = {"angry", "happy", "sad", "neutral"} - {emotion}
    return {emotion: probability} | {other: (1 - probability) / len(rest) for other in sorted(rest)}


@pytest.mark.parametrize(
    ("words", "voice", "combined", "disagree", "sentence"),
    [
        (
            ("happy", 0.7),
            ("angry", 0.8),
            "angry",
            True,
            "The words and the voice disagree: the words suggest happy, the voice sounds angry.",
        ),
        (("happy", 0.3), ("angry", 0.8), "angry", False, "The words say little; the voice sounds angry."),
        (("happy", 0.7), ("angry", 0.3), "happy", False, "The voice says little; the words suggest happy."),
        (("sad", 0.7), ("sad", 0.8), "sad", False, "The words and the voice both suggest sad."),
        (("sad", 0.3), ("angry", 0.3), "sad", False, "Neither the words nor the voice are clear."),
        (("sad", 0.3), ("sad", 0.3), "sad", False, "Neither the words nor the voice are clear; both lean to sad."),
        (
            ("sad", 0.7),
            ("sad", 0.8),
            "neutral",
            False,
            "The words and the voice both suggest sad; combined, they suggest neutral.",
        ),
    ],
)
def test_agreement_needs_clear_sides(
    script_page: Page, words: tuple[str, float], voice: tuple[str, float], combined: str, disagree: bool, sentence: str
) -> None:
    estimate = {
        "probabilities": distribution(combined, 0.6),
        "text_probabilities": distribution(*words),
        "audio_probabilities": distribution(*voice),
    }
    assert call(script_page, "answer/sentences", "agreement", estimate) == {"disagree": disagree, "sentence": sentence}


@pytest.mark.parametrize(
    ("text", "sound", "sentence"),
    [
        (0.1, 2.4, "mostly the voice (+2.4), hardly the words (+0.1)"),
        (1.5, 0.8, "more the words (+1.5) than the voice (+0.8)"),
        (1.0, 1.1, "both the voice (+1.1) and the words (+1.0)"),
        (-0.6, 1.1, "the voice (+1.1), against the words (−0.6)"),
        (-0.6, 0.04, "neither the voice (+0.0) nor the words (−0.6)"),
    ],
)
def test_evidence_is_a_sentence(script_page: Page, text: float, sound: float, sentence: str) -> None:
    assert call(script_page, "answer/sentences", "evidence", {"text": text, "sound": sound}) == sentence


@pytest.mark.parametrize(
    ("text", "sound", "sentence"),
    [
        (0.01, 0.5, "its text hardly matters, its sound supports sad"),
        (-0.4, -0.5, "its text opposes sad, and so does its sound"),
        (0.01, 0.02, "hardly matters"),
    ],
)
def test_effect_of_a_word_is_a_sentence(script_page: Page, text: float, sound: float, sentence: str) -> None:
    assert call(script_page, "answer/sentences", "wordEvidence", {"text": text, "sound": sound}, "sad", 1.0) == sentence


def test_formulas_in_tables_are_text(script_page: Page) -> None:
    """A spreadsheet would run a recording's name or word that begins like a formula."""
    word = {"word": "-5", "start_s": 0.123456, "end_s": 0.5, "timing": "aligned", "score": None}
    word |= {"doubtful": False, "known": True}
    word |= {"text_attention": 1, "audio_attention": 1, "contribution": {"text": {"sad": -0.5}, "audio": {"sad": 0.25}}}
    shares = {"probabilities": {"sad": 1}, "text_probabilities": {"sad": 1}, "audio_probabilities": {"sad": 1}}
    utterance = {
        "start_s": 0,
        "end_s": 1,
        "emotion": "sad",
        "confidence": 1,
        "uncertain": False,
        "words": [word],
    } | shares
    result = {"probabilities": {"sad": 1}, "utterances": [utterance]}
    table = call(script_page, "answer/tables", "wordTable", [{"name": '=1+1,"a".wav', "result": result}])
    header, row, end = table.split("\r\n")
    assert header.startswith("\ufefffile,utterance,")
    assert row.startswith('"\'=1+1,""a"".wav",1,0,1,,sad,1,false,\'-5,0.1235,0.5,aligned,,false,true,1,1,-0.5,0.25')
    assert end == ""
