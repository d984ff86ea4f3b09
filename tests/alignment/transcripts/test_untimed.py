from math import nan

import pytest

from alignment.errors import WordBoundsError, WordOrderError
from alignment.transcripts.untimed import is_untimed, mark_untimed, time_words
from alignment.transcripts.words import TimedWord, check_words


def times(*words: tuple[str, float | None, float | None], duration_s: float = 30.0) -> list[tuple[float, float]]:
    timed = time_words([mark_untimed(*word) for word in words], duration_s)
    assert check_words(timed, duration_s)
    return [(round(word.start_s, 3), round(word.end_s, 3)) for word in timed]


def test_gap_is_shared_by_letters() -> None:
    assert times(("a", 1.0, 1.5), ("bbb", None, None), ("c", 2.0, 2.0), ("d", 2.3, 2.5)) == [
        (1.0, 1.5),
        (1.5, 2.1),
        (2.1, 2.3),
        (2.3, 2.5),
    ]


def test_word_before_a_pause_lasts_a_second_at_most() -> None:
    assert times(("a", 1.0, 1.5), ("b", None, None), ("c", 20.0, 20.5))[1] == (1.5, 2.5)


def test_words_at_the_ends_are_inside_the_audio() -> None:
    assert times(("a", None, None), ("b", 10.0, 10.5), ("c", None, None)) == [(9.0, 10.0), (10.0, 10.5), (10.5, 11.5)]
    assert times(("a", None, None), ("b", 0.0, 0.4), ("c", 0.4, 0.8), ("d", None, None), duration_s=0.8) == [
        (0.0, 0.025),
        (0.025, 0.4),
        (0.4, 0.775),
        (0.775, 0.8),
    ]


def test_contradictory_times_are_refused_by_index() -> None:
    words = [mark_untimed("a", None, None), mark_untimed("b", 2.0, 2.5), mark_untimed("c", 1.0, 1.5)]
    with pytest.raises(WordOrderError) as caught:
        time_words(words, 30.0)
    assert caught.value.index == 2
    with pytest.raises(WordBoundsError):
        time_words([mark_untimed("a", None, None), mark_untimed("b", nan, 2.0)], 30.0)


def test_interpolated_word_of_another_engine_keeps_its_times() -> None:
    assert not is_untimed(TimedWord("a", 1.0, 1.5, "interpolated"))
