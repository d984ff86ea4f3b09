import pickle
import re
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
def test_the_tree_in_the_docstring_is_the_real_one(module: ModuleType) -> None:
    drawn = re.findall(r"^([│ ├└─]*)(\w+Error)\b", module.__doc__ or "", re.MULTILINE)
    parents: list[str] = []
    tree = {}
    for prefix, name in drawn:
        depth = len(prefix) // 4
        parents = [*parents[:depth], name]
        tree[name] = parents[depth - 1] if depth else "Exception"
    base = getattr(module, drawn[0][1])
    real = {error.__name__: error.__bases__[0].__name__ for error in descendants(base)}
    assert {name: parent for name, parent in tree.items() if parent != "Exception"} == real


@pytest.mark.parametrize("module", MODULES)
def test_every_error_says_what_it_is(module: ModuleType) -> None:
    for name, error in vars(module).items():
        if isinstance(error, type) and issubclass(error, Exception):
            assert error.__doc__, name


@pytest.mark.parametrize(
    "error",
    [
        alignment_errors.AudioTooLongError(400.0, 300.0),
        alignment_errors.WordOrderError(3, "word", "ends early"),
        model_errors.CorpusFileError(Path("a.wav"), 4, "is damaged"),
    ],
)
def test_errors_cross_process_borders(error: Exception) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)
