import unicodedata

import pytest

from service.inference.languages import find_language_code, find_language_name
from service.inference.native_names import NATIVE_NAMES


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("english", "en"),
        ("German", "de"),
        ("ger", "de"),
        ("deu", "de"),
        ("pt-BR", "pt"),
        ("zh_Hant_TW", "zh"),
        ("Haitian  Creole", "ht"),
        ("yue", "yue"),
        ("fil-PH", "tl"),
        ("auto", "auto"),
        (" AUTO ", "auto"),
        ("Deutsch", "de"),
        ("français", "fr"),
        ("FRANCAIS", "fr"),
        ("franc\u0327ais", "fr"),
        ("espanol", "es"),
        ("日本語", "ja"),
        ("हिन्दी", "hi"),
        ("Русский", "ru"),
        ("norsk  bokmål", "no"),
        ("klingon", "klingon"),
        ("xx-YY", "xx-YY"),
    ],
)
def test_code_of_a_language(language: str, code: str) -> None:
    assert find_language_code(language) == code


@pytest.mark.parametrize(("code", "name"), [("en", "english"), ("ht", "haitian creole"), ("auto", "auto"), ("", "")])
def test_name_of_a_language(code: str, name: str) -> None:
    assert find_language_name(code) == name
    assert find_language_code(name) == code


def test_native_names_are_those_of_cldr() -> None:
    core = pytest.importorskip("babel.core")
    whisper_codes = {"jw": "jv", "no": "nb", "tl": "fil"}
    for line in NATIVE_NAMES.strip().splitlines():
        code, _, name = line.partition(" ")
        known = whisper_codes.get(code, code)
        assert unicodedata.normalize("NFC", core.Locale.parse(known).get_language_name(known)) == name
        assert find_language_code(name) == code
        assert find_language_name(code) != code
