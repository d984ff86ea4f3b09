"""Names in the documents: modules, symbols, commands, variables, links, equations."""

import re
import tomllib
from importlib import import_module

import pytest

from service.settings import PREFIX, variable_names
from tests.builders import ROOT

DOCUMENTS = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]
GENERATED = {"docs/api.md", "docs/model-card.md", "docs/model-card-mfcc.md"}
"""Pages that `docs/hooks.py` generates."""
SYMBOL = re.compile(r"`((?:alignment|can_ser_client|model|service)(?:\.[A-Za-z_]\w*)+)`")
MODULE = re.compile(r"python -m ((?:alignment|model|service|benchmarks)(?:\.\w+)*)")
LINK = re.compile(r"\]\((?!http)([^)#]+)\)")
VARIABLE = re.compile(rf"\b{PREFIX}[A-Z_]*[A-Z]\b(?!_)")


def read_document(name: str) -> str:
    """Text of a document."""
    return (ROOT / name).read_text(encoding="utf-8")


def resolve(name: str) -> object:
    """Return the object of a dotted name: its longest module prefix, then attributes."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            value: object = import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[count:]:
            value = getattr(value, attribute)
        return value
    raise ModuleNotFoundError(name)


@pytest.mark.parametrize("document", [*DOCUMENTS, "clients/python/README.md"])
def test_symbols_commands_variables_and_links_exist(document: str) -> None:
    text = read_document(document)
    for name in SYMBOL.findall(text) + MODULE.findall(text):
        assert resolve(name) is not None
    assert set(VARIABLE.findall(text)) <= set(variable_names())
    for link in LINK.findall(text):
        path = (ROOT / document).parent / link
        assert path.exists() or str(path.relative_to(ROOT)) in GENERATED, link


def test_patterns_match_documents() -> None:
    text = "".join(map(read_document, DOCUMENTS))
    assert len(SYMBOL.findall(text)) > 50
    assert len(MODULE.findall(text)) > 20
    assert len(VARIABLE.findall(text)) > 40
    assert len(LINK.findall(text)) > 20


def test_every_equation_is_listed() -> None:
    text = read_document("docs/paper.md")
    listed = {
        int(number) for row in re.findall(r"^\| Eqs?\.[^|]*", text, re.M) for number in re.findall(r"\((\d+)\)", row)
    }
    ranges = re.findall(r"^\| Eqs\. \((\d+)\) to \((\d+)\)", text, re.M)
    for first, last in ranges:
        listed |= set(range(int(first), int(last) + 1))
    assert listed == set(range(1, 16))


def test_layers_are_those_of_the_contracts() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {
        container: [set(re.findall(r"\w+", layer)) for layer in contract["layers"]]
        for contract in settings["tool"]["importlinter"]["contracts"]
        for container in contract.get("containers", [])
        if contract["type"] == "layers"
    }
    rows = re.findall(r"^\| `([\w.]+)` \| (`.*;.*) \|$", read_document("docs/architecture.md"), re.M)
    drawn = {name: [set(re.findall(r"`(\w+)`", layer)) for layer in layers.split(";")] for name, layers in rows}
    assert {"service", "service.http", "model", "alignment"} <= drawn.keys()
    assert drawn == {name: contracts[name] for name in drawn}
