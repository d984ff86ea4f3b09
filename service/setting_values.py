"""Values of settings as they are typed: comma lists, names in any case, and one line for each wrong value."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_address, ip_network
from pathlib import Path
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin
from urllib.parse import urlsplit

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel, ValidationError, ValidationInfo
from pydantic.fields import FieldInfo

_LONGEST: Final = 80
_PATH: Final = re.compile(r"((?!\.{1,2}(/|$))[A-Za-z0-9._~-]+(/(?!$)|$))+")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
_HOST: Final = re.compile(r"(?:(https?)://)?(\*\.)?(?:([a-z0-9._-]+)|\[([0-9a-f:.]+)\])(?::([0-9]{1,5}))?")
_LARGEST_PORT: Final = 65_535
_KINDS: Final[Mapping[object, str]] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "the path of a folder",
    str: "text",
}


@dataclass(frozen=True, slots=True)
class Secret:
    """Metadata of a setting whose value is never printed.

    Attributes:
        advice: What to do about a wrong value.
    """

    advice: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """Metadata of a setting, or of an entry of a list, whose text has a form.

    Attributes:
        text: What is expected.
        example: An accepted value.
    """

    text: str
    example: str


def read_typed(cls: type[BaseModel], value: Any, info: ValidationInfo) -> Any:
    """Validator of every field, before pydantic's own: lists with commas or as JSON, and choices in any case.

    Raises:
        ValueError: The value looks like JSON and is not.
    """
    if not isinstance(value, str):
        return value
    annotation = cls.model_fields[info.field_name or ""].annotation
    if get_origin(annotation) is tuple:
        return split_list(value)
    if get_origin(annotation) is Literal:
        name = value.strip().lower()
        return name if name in get_args(annotation) else value
    return value


def split_list(text: str) -> Any:
    """Entries of a comma list, or the value of a JSON list.

    Raises:
        ValueError: The text begins with a bracket and is not JSON.
    """
    if text.lstrip().startswith("["):
        return json.loads(text)
    return [entry for part in text.split(",") if (entry := part.strip())]


def read_origin(text: str) -> str:
    """An origin as browsers send it: in lower case, without a slash at the end and without a default port.

    Raises:
        ValueError: The text is not an origin.
    """
    parts = urlsplit(text.lower())
    if not parts.hostname or "@" in parts.netloc or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError("not an origin")
    default = parts.port is not None and _DEFAULT_PORTS.get(parts.scheme) == parts.port
    return f"{parts.scheme}://{parts.netloc.rpartition(':')[0] if default else parts.netloc}"


def read_path(text: str) -> str:
    """A path with a slash before and none after it; "" for the root.

    Raises:
        ValueError: The text is not the path of an address.
    """
    path = text.strip("/")
    if path and not _PATH.fullmatch(path):
        raise ValueError("not a path")
    return f"/{path}" if path else ""


def read_network(text: str) -> str:
    """The address of a host or of a network, or `*` for all.

    Raises:
        ValueError: The text is neither.
    """
    return text if text == "*" else str(ip_network(text) if "/" in text else ip_address(text))


def read_subnet(text: str) -> str:
    """A network, or that of one address.

    Raises:
        ValueError: The text is neither.
    """
    return str(ip_network(text))


@dataclass(frozen=True, slots=True)
class CallbackHost:
    """Hosts to which callbacks may be sent.

    Attributes:
        scheme: "https" or "http".
        name: Name or IP address, in lower case, without brackets.
        port: TCP port.
        subdomains: Whether every name that ends with the name is meant, and not the name itself.
    """

    scheme: str
    name: str
    port: int
    subdomains: bool

    def matches(self, scheme: str, host: str, port: int) -> bool:
        """Whether callbacks may be sent to a host."""
        same = host.endswith(f".{self.name}") if self.subdomains else host == self.name
        return same and (scheme, port) == (self.scheme, self.port)


def read_callback_host(text: str) -> CallbackHost:
    """Hosts as they are listed: hooks.example.org, *.example.org, http://app:9000, https://[2001:db8::1]:8443.

    Raises:
        ValueError: The text is not a host, or its port does not exist.
    """
    match = _HOST.fullmatch(text.lower())
    if match is None:
        raise ValueError("not a host")
    scheme, wildcard, name, address, port = match.groups()
    scheme = scheme or "https"
    number = int(port) if port else _DEFAULT_PORTS[scheme]
    if not 0 < number <= _LARGEST_PORT or (wildcard and address):
        raise ValueError("not a host")
    return CallbackHost(scheme, str(ip_address(address)) if address else name.removesuffix("."), number, bool(wildcard))


def check_callback_host(text: str) -> str:
    """The text, if it is what `read_callback_host` reads.

    Raises:
        ValueError: It is not.
    """
    read_callback_host(text)
    return text


def describe_errors(
    error: ValidationError, settings: type[BaseModel], label: Callable[[tuple[str, ...]], str]
) -> Iterator[str]:
    """One line for each setting with a wrong value: its name, the value unless it is secret, and what is expected.

    Args:
        error: Error of pydantic.
        settings: The model.
        label: Returns the name of a setting, as it was given, for the names of its group and field.
    """
    described: set[tuple[str, ...]] = set()
    for each in error.errors():
        path, field, entry = _locate(settings, each["loc"])
        if path in described:
            continue
        described.add(path)
        name = label(path)
        if field is None:
            yield f"{name} is not a setting; {_suggest(path[-1], settings.model_fields)}"
        else:
            yield _describe(name, field, entry, each["input"])


def _locate(settings: type[BaseModel], loc: tuple[int | str, ...]) -> tuple[tuple[str, ...], FieldInfo | None, int]:
    """Names of a group and a field, the field, and the index of an entry of its list, or -1."""
    names: list[str] = []
    model, field = settings, None
    for part in loc:
        if isinstance(part, int):
            return tuple(names), field, part
        names.append(part)
        field = model.model_fields.get(part)
        inner = field and field.annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        model = inner
    return tuple(names), field, next((part for part in loc[len(names) :] if isinstance(part, int)), -1)


def _describe(name: str, field: FieldInfo, entry: int, value: Any) -> str:
    item = _item(field)
    of_entry = entry >= 0 and item is not None
    wanted = expected(item) if of_entry and item is not None else expected(field)
    secret = next((each for each in field.metadata if isinstance(each, Secret)), None)
    shown = f"{value!r:.{_LONGEST}}" if secret is None else f"a secret of {len(str(value))} characters"
    given = f"entry {entry + 1} of {name}, {shown}," if of_entry else f"{name}={shown}"
    return f"{given} is not {wanted}{f'; {secret.advice}' if secret and secret.advice else ''}"


def expected(field: FieldInfo) -> str:
    """Description of the accepted values of a field."""
    if (item := _item(field)) is not None:
        return f"a list with commas, each entry {expected(item)}"
    if form := next((each for each in field.metadata if isinstance(each, Expected)), None):
        return f"{form.text} such as {form.example}"
    kinds = [each for each in get_args(field.annotation) or (field.annotation,) if each is not NoneType]
    if get_origin(field.annotation) is Literal:
        return f"one of {', '.join(map(str, kinds))}"
    return f"{' or '.join(_KINDS.get(kind, str(kind)) for kind in kinds)}{_limits(field)}"


def _item(field: FieldInfo) -> FieldInfo | None:
    """The entries of a list; None for other fields."""
    if get_origin(field.annotation) is not tuple:
        return None
    return FieldInfo.from_annotation(get_args(field.annotation)[0])


def _limits(field: FieldInfo) -> str:
    bounds = dict(_bounds(field))
    if {"from", "to"} <= set(bounds):
        return f" from {bounds['from']} to {bounds['to']}"
    words = {"from": "at least ", "over": "over ", "to": "at most ", "under": "under "}
    parts = [f"{words.get(name, '')}{value}" for name, value in bounds.items()]
    return f" {' and '.join(parts)}" if parts else ""


def _bounds(field: FieldInfo) -> Iterator[tuple[str, object]]:
    for each in field.metadata:
        match each:
            case Ge(ge=value):
                yield "from", value
            case Gt(gt=value):
                yield "over", value
            case Le(le=value):
                yield "to", value
            case Lt(lt=value):
                yield "under", value
            case MinLen(min_length=value):
                yield "shortest", f"of at least {value} characters"
            case MaxLen(max_length=value):
                yield "longest", f"at most {value}"


def _suggest(name: str, known: Mapping[str, FieldInfo]) -> str:
    close = get_close_matches(name, known, 1)
    return f"did you mean {close[0]}?" if close else f"settings are {', '.join(known)}"
