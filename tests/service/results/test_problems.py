from http import HTTPStatus

from alignment.errors import AlignmentError
from model.errors import ModelError
from service.errors import ServiceError
from service.results.problems import NEVER_OVER_HTTP, PROBLEMS, find_problem


def leaves(error: type[Exception]) -> list[type[Exception]]:
    children = error.__subclasses__()
    return [leaf for child in children for leaf in leaves(child)] if children else [error]


def test_every_error_has_problem() -> None:
    for base in (AlignmentError, ModelError, ServiceError):
        for error in leaves(base):
            if error not in NEVER_OVER_HTTP:
                assert find_problem(error.__new__(error)) is not None, error


def test_codes_are_unique_and_known_errors_are_not_internal() -> None:
    codes = [problem.code for problem in PROBLEMS.values()]
    assert len(codes) == len(set(codes))
    assert all(problem.status is not HTTPStatus.INTERNAL_SERVER_ERROR for problem in PROBLEMS.values())


def test_unknown_error_has_no_problem() -> None:
    assert find_problem(KeyError("x")) is None
