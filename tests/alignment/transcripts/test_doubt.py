import pytest

from alignment.transcripts.doubt import mark_doubtful
from alignment.transcripts.words import TimedWord, Timing


@pytest.mark.parametrize(
    ("word", "timing", "score", "doubtful"),
    [
        ("door", "recognised", 0.59, True),
        ("door", "recognised", 0.6, False),
        ("door", "aligned", 0.29, True),
        ("door", "aligned", 0.3, False),
        ("door", "aligned", None, False),
        ("door", "interpolated", 0.99, True),
        ("door", "interpolated", None, True),
        ("door", "given", None, False),
        ("", "interpolated", None, False),
    ],
)
def test_threshold_depends_on_origin_of_times(word: str, timing: Timing, score: float | None, doubtful: bool) -> None:
    [marked] = mark_doubtful([TimedWord(word, 0.0, 0.5, timing, score)], recognised_below=0.6, aligned_below=0.3)
    assert marked == TimedWord(word, 0.0, 0.5, timing, score, doubtful=doubtful)
