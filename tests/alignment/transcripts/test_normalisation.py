import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignment.transcripts.normalisation import normalise_word, spoken_forms, spoken_words


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("Door.", "door"),
        ("WHAT(2)", "what"),
        ("don\u2019t", "don't"),
        ("'cause", "cause"),
        ("\u201cHi!\u201d", "hi"),
        ("forty-two", "forty-two"),
        ("42", "forty-two"),
        ("4:30", "four-thirty"),
        ("20's", "twenty's"),
        ("2nd's", "second's"),
        ("3rd", "third"),
        ("1999", "nineteen-ninety-nine"),
        ("$5", "five-dollars"),
        ("50%", "fifty-percent"),
        ("2.5", "two-point-five"),
        ("5pm", "five-pm"),
        ("COVID-19", "covid-nineteen"),
        ("and/or", "and-or"),
        ("++LAUGHTER++", "++laughter++"),
        ("&", "and"),
        ("+", "plus"),
        ("\u2014", ""),
        ("...", ""),
        ("日本", "日本"),
        ("caf\u00e9", "caf\u00e9"),
        ("cafe\u0301.", "caf\u00e9"),
        ("\ufb01ne", "fine"),
        ("\uff34\uff56", "tv"),
        ("Door™", "door"),
        ("2½", "two-half"),
    ],
)
def test_spellings_are_normalised(written: str, key: str) -> None:
    assert normalise_word(written) == key


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("$43,000", "forty three thousand dollars"),
        ("$1", "one dollar"),
        ("$42.50", "forty two dollars and fifty cents"),
        ("$0.99", "ninety nine cents"),
        ("£1.01", "one pound and one penny"),
        ("$2.5", "two point five dollars"),
        ("€10.00", "ten euros"),
    ],
)
def test_amount_is_spoken_before_its_unit(written: str, spoken: str) -> None:
    assert " ".join(spoken_words(written)) == spoken


def test_currency_is_spoken_after_the_magnitude() -> None:
    assert spoken_forms(["$1", "million", "A$5", "thousand"])[0::2] == [("one",), ("a$5",)]
    assert spoken_forms(["$5", "million", "more,", "$3", "each"]) == [
        ("five",),
        ("million", "dollars"),
        ("more",),
        ("three", "dollars"),
        ("each",),
    ]


def test_very_long_numbers_are_spelled_digit_by_digit() -> None:
    assert spoken_words("1" * 30) == ("one",) * 30


@given(st.text(max_size=20))
def test_normalisation_is_idempotent(written: str) -> None:
    key = normalise_word(written)
    assert normalise_word(key) == key
