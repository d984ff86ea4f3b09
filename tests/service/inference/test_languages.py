import pytest

from service.inference.languages import find_language_code


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
        ("klingon", "klingon"),
        ("xx-YY", "xx-YY"),
    ],
)
def test_code_of_a_language(language: str, code: str) -> None:
    assert find_language_code(language) == code
