import pytest

from alignment.aligners.pocketsphinx.pronunciation import guess_phones


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("zumba", "Z AH M B AH"),
        ("spineless", "S P IH N L AH S"),
        ("ride", "R AY D"),
        ("knight", "N AY T"),
        ("nation", "N EY SH AH N"),
        ("queen", "K W IY N"),
        ("bbc", "B IY B IY S IY"),
        ("u.s.a", "Y UW EH S EY"),
        ("zoë", "Z AA EH"),
    ],
)
def test_letters_to_sounds(word: str, phones: str) -> None:
    assert " ".join(guess_phones(word)) == phones


@pytest.mark.parametrize("word", ["日本", "", "٣", "…"])
def test_what_nobody_can_say(word: str) -> None:
    assert guess_phones(word) == ()
