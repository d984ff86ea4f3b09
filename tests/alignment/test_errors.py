import pickle
import re
from collections.abc import Sequence
from inspect import Parameter, signature
from pathlib import Path
from types import ModuleType

import pytest

from alignment import errors as alignment_errors
from model import errors as model_errors
from service import errors as service_errors

MODULES = [alignment_errors, model_errors, service_errors]


def descendants(error: type[Exception]) -> list[type[Exception]]:
    return [found for child in error.__subclasses__() for found in (child, *descendants(child))]


@pytest.mark.parametrize("module", MODULES)
def test_docstring_shows_the_tree_of_errors(module: ModuleType) -> None:
    drawn = re.findall(r"^([│ ├└─]*)(\w+Error)\b", module.__doc__ or "", re.MULTILINE)
    parents: list[str] = []
    tree = {}
    for prefix, name in drawn:
        depth = len(prefix) // 4
        parents = [*parents[:depth], name]
        tree[name] = parents[depth - 1] if depth else "Exception"
    real = {
        error.__name__: error.__bases__[0].__name__
        for error in descendants(alignment_errors.CanSerError)
        if f"{error.__module__}.".startswith(f"{module.__name__}.") and error.__name__ != drawn[0][1]
    }
    assert {name: parent for name, parent in tree.items() if parent != "Exception"} == real


@pytest.mark.parametrize("module", MODULES)
def test_every_error_has_a_docstring(module: ModuleType) -> None:
    for name, error in vars(module).items():
        if isinstance(error, type) and issubclass(error, Exception):
            assert error.__doc__, name


ARGUMENTS: dict[object, object] = {
    str: "some text",
    int: 3,
    float: 1.5,
    float | None: 2.5,
    str | None: "some text",
    int | None: None,
    object: "2",
    list[str]: ["a", "b"],
    Sequence[str]: ["a", "b"],
    Path: Path("a.wav"),
}


def make(kind: type[Exception]) -> Exception:
    """An instance, with an argument of the right type for each parameter."""
    if kind.__init__ is Exception.__init__:
        return kind("some text")
    parameters = signature(kind).parameters.values()
    positional = [ARGUMENTS[each.annotation] for each in parameters if each.kind is not Parameter.KEYWORD_ONLY]
    named = {each.name: ARGUMENTS[each.annotation] for each in parameters if each.kind is Parameter.KEYWORD_ONLY}
    return kind(*positional, **named)


@pytest.mark.parametrize("kind", descendants(alignment_errors.CanSerError))
def test_every_error_can_be_pickled(kind: type[Exception]) -> None:
    error = make(kind)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error) != ""
    assert vars(copy) == vars(error)
