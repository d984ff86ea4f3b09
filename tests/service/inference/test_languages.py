import pytest

from service.inference.languages import find_language_code, find_language_name


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


@pytest.mark.parametrize(("code", "name"), [("en", "english"), ("ht", "haitian creole"), ("auto", "auto"), ("", "")])
def test_name_of_a_language(code: str, name: str) -> None:
    assert find_language_name(code) == name
    assert find_language_code(name) == code
