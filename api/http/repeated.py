"""Names that a JSON object has twice: `{"amount": 100, "amount": 900}`.

RFC 8259 leaves open which of the two counts, and parsers differ: a proxy or a signer in front may have read the other.
A body about money has one meaning or none, so such a body is refused, whatever its values are and however the name is
escaped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


class _RepeatedNameError(Exception):
    """Some object has a name twice."""


class _Object(list[tuple[str, Any]]):
    """An object's fields as they were sent."""


def repeated_name(body: bytes) -> str | None:
    """Path of the first name that its object has twice, such as `card.number`; None if every name is unique.

    `body`: JSON that a parser has already accepted.
    """
    text = body.decode()
    try:
        _UNIQUE.decode(text)
    except _RepeatedNameError:
        return next(_repeated(_AS_SENT.decode(text), ""))
    return None


def _unique(fields: list[tuple[str, Any]]) -> None:
    if len(dict(fields)) != len(fields):
        raise _RepeatedNameError


def _repeated(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, _Object):
        seen: set[str] = set()
        for name, part in value:
            if name in seen:
                yield path + name
            seen.add(name)
            yield from _repeated(part, f"{path}{name}.")
    elif isinstance(value, list):
        for part in value:
            yield from _repeated(part, path)


# Numbers stay text: an integer of 4,301 digits is no error here.
_UNIQUE = json.JSONDecoder(object_pairs_hook=_unique, parse_int=str, parse_float=str)
_AS_SENT = json.JSONDecoder(object_pairs_hook=_Object, parse_int=str, parse_float=str)
