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
def test_phones_are_guessed(word: str, phones: str) -> None:
    assert " ".join(guess_phones(word)) == phones


@pytest.mark.parametrize("word", ["日本", "", "٣", "…"])
def test_word_without_known_letters_has_no_phones(word: str) -> None:
    assert guess_phones(word) == ()
