import pytest

from service.errors import BusyError
from service.inference.places import Places
from service.settings import Settings


def test_places_are_bounded_in_all_and_for_each_key() -> None:
    places = Places(3, 2, lambda limit: BusyError(limit, 5))
    with places.hold("a"), places.hold("a"):
        with pytest.raises(BusyError, match="2 requests"), places.hold("a"):
            pass
        with places.hold("b"):
            assert places.held == 3
            with pytest.raises(BusyError, match="3 requests"), places.hold("c"):
                pass
    assert places.held == 0


def test_requests_without_key_use_all_places() -> None:
    places = Places(2, 1, lambda limit: BusyError(limit, 5))
    with places.hold(""), places.hold(""), pytest.raises(BusyError):
        places.require("")
    places.require("")


@pytest.mark.parametrize(("keys", "limit", "expected"), [(0, 16, 16), (1, 16, 16), (2, 16, 8), (2, 1, 1), (2, 0, 0)])
def test_share_of_a_key(keys: int, limit: int, expected: int) -> None:
    digests = tuple(f"{number:064x}" for number in range(keys))
    assert Settings(api_keys=digests).owner_limit(limit) == expected
