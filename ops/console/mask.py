"""Masks personal data in output: addresses (`name@bank`), payers' names and numbers, bank tokens, notes.
`--unmask` leaves it in.

Works on every string at any depth, also on JSON inside strings (a dead letter carries its record as text) and on bytes
that are not JSON, so a new field with an address in it is masked from the first day. Card data is never on the log.
"""

from __future__ import annotations

import re
from typing import Any

ADDRESS = re.compile(r"(?<![A-Za-z0-9._%+-])([._%+-]*+[A-Za-z0-9])[A-Za-z0-9._%+-]*+@(?=[A-Za-z0-9])")
"""From the beginning of a run of its characters only, without backtracking: 900 KB of them take a moment, not hours."""
_ADDRESS_BYTES = re.compile(rb"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]++@(?=[A-Za-z0-9])")
HIDDEN_NAMES = frozenset({"token", "notes", "name", "contact", "value_base64"})
"""`value_base64`: the content of an undecodable record is unknown."""
_NOTES_IN_TEXT = re.compile(r'("notes":)\{[^{}]*\}')
_HIDDEN_IN_TEXT = re.compile(r'("(?:token|name|contact)":)"[^"\\]*+(?:\\.[^"\\]*+)*+"')


def masked(value: Any, name: str = "") -> Any:
    """The same shape with personal data masked."""
    if isinstance(value, dict):
        if name in HIDDEN_NAMES:
            return dict.fromkeys(value, "***")
        return {inner: masked(part, inner) for inner, part in value.items()}
    if isinstance(value, list):
        return [masked(part, name) for part in value]
    if isinstance(value, str):
        return "***" if name in HIDDEN_NAMES else masked_text(value)
    return value


def masked_text(text: str) -> str:
    """Addresses, and what looks like our hidden fields inside JSON text."""
    if '"' in text:
        text = _HIDDEN_IN_TEXT.sub(r'\1"***"', _NOTES_IN_TEXT.sub(r'\1"***"', text))
    return ADDRESS.sub(r"\1***@", text)


def masked_bytes(value: bytes) -> bytes:
    """Same length: an address becomes asterisks."""
    return _ADDRESS_BYTES.sub(lambda match: b"*" * (len(match[0]) - 1) + b"@", value)
