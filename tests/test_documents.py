"""What the documents name exists."""

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]
MADE = {"docs/api.md", "docs/model-card.md"}
"""Pages that `docs/hooks.py` makes while the site is built."""
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
    for name in SYMBOL.findall(text) + MODULE.findall(text):
        assert resolve(name) is not None
    for link in LINK.findall(text):
        path = (ROOT / document).parent / link
        assert path.exists() or str(path.relative_to(ROOT)) in MADE, link


def test_the_documents_name_much() -> None:
    text = "".join((ROOT / document).read_text(encoding="utf-8") for document in DOCUMENTS)
    assert len(SYMBOL.findall(text)) > 50
    assert len(LINK.findall(text)) > 20


def test_every_equation_has_its_place() -> None:
    text = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
    named = {
        int(number) for row in re.findall(r"^\| Eqs?\.[^|]*", text, re.M) for number in re.findall(r"\((\d+)\)", row)
    }
    ranges = re.findall(r"^\| Eqs\. \((\d+)\) to \((\d+)\)", text, re.M)
    for first, last in ranges:
        named |= set(range(int(first), int(last) + 1))
    assert named == set(range(1, 16))
