import pytest

from alignment.aligners.whisperx import _parse_sentence, _timed_words
from alignment.utterances import Stretch


def entry(*words: dict[str, object]) -> dict[str, object]:
    return {"words": list(words), "text": "", "start": 0.0, "end": 1.0}


def test_a_word_without_a_score_has_only_its_neighbours_times() -> None:
    sentence = _parse_sentence(
        entry(
            {"word": "paid", "start": 0.1, "end": 0.4, "score": 0.9},
            {"word": "…", "start": 0.1, "end": 0.4},
            {"word": "cash", "start": 0.6, "end": 0.9, "score": 1.2},
            {"word": "now"},
        )
    )
    assert sentence.words == ("paid", "…", "cash", "now")
    assert sentence.spans == ((0.1, 0.4), None, (0.6, 0.9), None)
    assert sentence.scores == (0.9, None, 1.0, None)


def test_words_without_times_are_interpolated_and_marked() -> None:
    sentence = _parse_sentence(
        entry(
            {"word": "a", "start": 0.0, "end": 0.5, "score": 0.9},
            {"word": "b"},
            {"word": "c", "start": 1.0, "end": 1.5, "score": 0.8},
        )
    )
    words = _timed_words(Stretch(2.0, 4.0), [sentence], "recognised")
    assert [(w.word, w.start_s, w.end_s, w.timing, w.score) for w in words] == [
        ("a", 2.0, 2.5, "recognised", 0.9),
        ("b", 2.5, 3.0, "interpolated", None),
        ("c", 3.0, 3.5, "recognised", 0.8),
    ]


def test_a_window_whose_words_were_all_lost() -> None:
    sentence = _parse_sentence(entry({"word": "one"}, {"word": "two"}))
    words = _timed_words(Stretch(1.0, 2.0), [sentence], "aligned")
    assert [(w.start_s, w.end_s) for w in words] == [(1.0, pytest.approx(1.5)), (pytest.approx(1.5), 2.0)]
    assert {w.timing for w in words} == {"interpolated"}
