"""Headers that a merchant adds to the webhooks of one endpoint: which names and values are allowed.

Ours, and those that frame the request, are reserved: a merchant's header can never change what is signed, where the
request goes, or where its body ends.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

HEADERS_MAX = 20
NAME_CHARACTERS_MAX = 64
VALUE_CHARACTERS_MAX = 1_024
CHARACTERS_MAX = 4_096
"""All names and values together: common servers refuse requests with more than 8 KiB of headers."""

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?\Z")
RESERVED = frozenset(
    {
        "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "date", "expect", "host",
        "http2-settings", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "user-agent", "via",
        "x-signature", "x-webhook-signature", "x-webhook-signature-previous",
    }
)  # fmt: skip
RESERVED_PREFIXES = ("webhook-", "proxy-", "x-forwarded-")


@dataclass(frozen=True, slots=True)
class BadHeader:
    """Why a header is refused; `description` is for the merchant and does not repeat the value."""

    name: str
    description: str


def check_headers(headers: Mapping[str, str]) -> BadHeader | None:
    """The first header that cannot be sent, or None."""
    if len(headers) > HEADERS_MAX:
        return BadHeader("", f"headers must hold at most {HEADERS_MAX} headers")
    if sum(len(name) + len(value) for name, value in headers.items()) > CHARACTERS_MAX:
        return BadHeader("", f"headers must not be longer than {CHARACTERS_MAX} characters in total")
    seen: set[str] = set()
    for name, value in headers.items():
        bad = _problem(name, value, seen)
        if bad is not None:
            return BadHeader(name, bad)
        seen.add(name.lower())
    return None


def _problem(name: str, value: str, seen: set[str]) -> str | None:
    lower = name.lower()
    if len(name) > NAME_CHARACTERS_MAX or not _NAME.match(name):
        return f"{name[:NAME_CHARACTERS_MAX]!r} is not a valid header name"
    if lower in RESERVED or lower.startswith(RESERVED_PREFIXES):
        return f"the header {name!r} is reserved"
    if lower in seen:
        return f"the header {name!r} is given twice"
    if len(value) > VALUE_CHARACTERS_MAX or not _VALUE.match(value):
        return (
            f"the value of the header {name!r} must be 1 to {VALUE_CHARACTERS_MAX} visible ASCII characters, "
            "with spaces only between them"
        )
    return None
