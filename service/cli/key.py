"""`can-ser key`: a new API key."""

import sys
from typing import Final

from service.cli.console import print_error
from service.errors import SettingsError
from service.http.middleware.authentication import make_key
from service.settings import load_settings

_TEXT: Final = """\
For the service: a line of .env (docker compose), or a variable of its environment; then restart it.
CAN_API_KEYS={digests}
{note}

For the client: the key itself, shown only now. The service stores only its digest.
Authorization: Bearer {key}
"""
_CALLBACK_TEXT: Final = """\
For the service: a line of .env (docker compose), or a variable of its environment; then restart it.
CAN_JOBS__CALLBACK_SECRET={secret}

For the receivers of callbacks: the same secret, which verifies their signatures (docs/clients.md).
"""
_FIRST: Final = "Where the line exists already, add the digest to it after a comma, so that its keys stay valid."
_FURTHER: Final = "It has the {count} already in this environment too; replace the line."


def run_key() -> int:
    """Print a new key, and the variable with its digest and the digests set now; return 2 where a setting is wrong."""
    try:
        digests = load_settings().api_keys
    except SettingsError as exc:
        print_error(exc)
        return 2
    key, digest = make_key()
    note = _FURTHER.format(count=f"{len(digests)} digest{'s' * (len(digests) > 1)}") if digests else _FIRST
    sys.stdout.write(_TEXT.format(digests=",".join((*digests, digest)), note=note, key=key))
    return 0


def run_callback_key() -> int:
    """Print a new secret for callbacks."""
    from service.jobs.callbacks import make_secret

    sys.stdout.write(_CALLBACK_TEXT.format(secret=make_secret()))
    return 0
