"""Records of older versions, brought up to the version that this code reads.

A contract's name ends in its version. When a contract changes so that a record of before does not fulfil it, or means
another thing, its version rises by one, and UPCASTERS gets the function that makes a record of the old version one of
the next. A field that is added with a default needs no new version. Records of every version that was released stand
in tests/data/schemas, and are read by the tests for ever.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

Fields = dict[str, Any]
"""A record as parsed JSON."""

Upcaster = Callable[[Fields], Fields]
"""Takes the fields of a record and gives those of the next version; `schema` is set by the caller."""

UPCASTERS: Mapping[str, Upcaster] = MappingProxyType({})
"""By the name of an older version, such as newswire.raw.v1: what makes its records those of the next version."""

SHOWN = 80
"""Characters of an unknown schema's name that a message shows."""

_NAME = re.compile(r"(?P<family>[a-z.]+)\.v(?P<version>[1-9][0-9]{0,5})", re.ASCII)


def upcast(fields: Fields, upcasters: Mapping[str, Upcaster] | None = None) -> Fields:
    """The record, and every record in it, brought up as far as there are upcasters (null: UPCASTERS).

    Equal to `fields` where there is nothing to bring up. Raises what an upcaster raises for fields that are not those
    of its version.
    """
    known = UPCASTERS if upcasters is None else upcasters
    while isinstance(name := fields.get("schema"), str) and name in known:
        fields = {**known[name](dict(fields)), "schema": _next(name)}
    return {key: _upcast_within(value, known) for key, value in fields.items()}


def _upcast_within(value: Any, known: Mapping[str, Upcaster]) -> Any:
    if isinstance(value, dict):
        return upcast(value, known)
    return [_upcast_within(one, known) for one in value] if isinstance(value, list) else value


def readable(name: str, upcasters: Mapping[str, Upcaster] | None = None) -> tuple[str, ...]:
    """The versions of a contract that can be read, the current one (`name`) first."""
    known = UPCASTERS if upcasters is None else upcasters
    family, version = _split(name)
    names = [name]
    while (older := f"{family}.v{version - len(names)}") in known:
        names.append(older)
    return tuple(names)


def is_family(schema: object, name: str) -> bool:
    """Whether `schema` names some version of the contract whose current version is `name`."""
    match = _NAME.fullmatch(schema) if isinstance(schema, str) else None
    return match is not None and match["family"] == _split(name)[0]


def is_newer(schema: object, name: str) -> bool:
    """Whether `schema` names a later version of the contract than `name`."""
    return is_family(schema, name) and _split(str(schema))[1] > _split(name)[1]


def refusal(schema: object, name: str, upcasters: Mapping[str, Upcaster] | None = None) -> str:
    """What to say of a record whose schema is not among the readable ones of a contract."""
    reads = ", ".join(readable(name, upcasters))
    newer = "; a newer newswire wrote it, so upgrade this one" if is_newer(schema, name) else ""
    return f"unknown schema {str(schema)[:SHOWN]!r}: this version reads {reads}{newer}"


def _next(name: str) -> str:
    family, version = _split(name)
    return f"{family}.v{version + 1}"


def _split(name: str) -> tuple[str, int]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"not the name of a contract: {name!r}")
    return match["family"], int(match["version"])
