"""What the documents name exists."""

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = ["README.md", "docs/paper.md", "docs/architecture.md", "docs/experiments.md"]
SYMBOL = re.compile(r"`((?:alignment|model|service)(?:\.[A-Za-z_]\w*)+)`")
MODULE = re.compile(r"python -m ((?:alignment|model|service|benchmarks)(?:\.\w+)*)")
LINK = re.compile(r"\]\((?!http)([^)#]+)\)")


def resolve(name: str) -> object:
    """The object of a dotted name: as much of it as is a module, then attributes."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found: object = import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[count:]:
            found = getattr(found, attribute)
        return found
    raise ModuleNotFoundError(name)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_symbols_commands_and_links(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    names = SYMBOL.findall(text) + MODULE.findall(text)
    assert names
    for name in names:
        assert resolve(name) is not None
    for link in LINK.findall(text):
        assert ((ROOT / document).parent / link).exists(), link


def test_every_equation_has_its_place() -> None:
    text = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    named = {
        int(number) for row in re.findall(r"^\| Eqs?\.[^|]*", text, re.M) for number in re.findall(r"\((\d+)\)", row)
    }
    ranges = re.findall(r"^\| Eqs\. \((\d+)\) to \((\d+)\)", text, re.M)
    for first, last in ranges:
        named |= set(range(int(first), int(last) + 1))
    assert named == set(range(1, 16))
