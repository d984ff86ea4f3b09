r"""Text of others that a terminal only shows: escapes such as "\x1b" in place of characters that control it.

Bytes of file names that are not text, which Python keeps as single surrogates, become escapes too.
"""

from typing import Final

_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
_CONTROLS_IN_LINES: Final = {code: text for code, text in _CONTROLS.items() if chr(code) not in "\n\t"}


def printable(text: str) -> str:
    """One line of text: line ends are escaped as well."""
    return text.translate(_CONTROLS).encode(errors="backslashreplace").decode()


def printable_lines(text: str) -> str:
    """Text of several lines: line ends and tabulators stay."""
    return text.translate(_CONTROLS_IN_LINES).encode(errors="backslashreplace").decode()
