"""A key for each order, without a row for each: the leaves of a tree whose root is random, one tree a day.

    root (32 random bytes) ─► 16 children ─► … ─► leaf at the end of the order's path of LEVELS steps
    child = BLAKE2b(step, key = parent)           path = hexadecimal digits of SHA-256(order id)

A node yields every leaf below it, and nothing above or beside it. To forget one order, the node above it is
replaced by the nodes beside its path (`without`): every other order keeps its key. (A puncturable PRF, as
Goldreich, Goldwasser and Micali's tree gives one.)

A sealed text is one string in JSON, rows and records:  sealed:1:<order id>:<base64url of nonce ─ AES-256-GCM>.
The nonce is a keyed hash of the text: the same text of the same order is sealed to the same string, and no counter can
repeat a nonce. The order id is associated data. Notes are sealed whole, as {"sealed": "sealed:1:…"}.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LEVELS = 12
"""48 bits of an order's hash: among a million orders of a day, an erasure hits another order once in 10^8."""
STEPS = "0123456789abcdef"
KEY_BYTES = 32
NONCE_BYTES = 12
PREFIX = "sealed:1:"
NOTES = "sealed"
"""The only name in sealed notes."""
MARK = b'"' + PREFIX.encode()
"""Every text with a sealed text contains these bytes."""
SEALED_TEXT_MAX = 1_600
"""Of 255 characters of four bytes each; an index entry of PostgreSQL holds 2,704."""
SEALED_NOTES_MAX = 100_000
"""Characters of sealed notes, which may be as large as a request's."""
ERASED = "erased"
"""Name of the mark, `true`, beside fields that can no longer be opened."""
_SEALED = re.compile(rb'"sealed:1:([0-9A-Za-z_]{1,64}):([0-9A-Za-z_-]{1,100000})"')
_NOTES_BEFORE, _NOTES_AFTER = b'{"%b":' % NOTES.encode(), b"}"
_FRAME = b"data: "
"""Before the JSON of a server-sent event."""


class OrderKey:
    """Seals and opens the personal fields of one order."""

    __slots__ = ("_cipher", "_nonces", "_order_id")

    def __init__(self, order_id: str, leaf: bytes) -> None:
        self._order_id = order_id
        self._cipher = AESGCM(_child(leaf, b"seal"))
        self._nonces = _child(leaf, b"nonce")

    def seal(self, text: str) -> str:
        """A text that is already sealed is unchanged."""
        return text if text.startswith(PREFIX) else self._sealed(text.encode())

    def seal_notes(self, notes: dict[str, str]) -> dict[str, str]:
        return notes if is_sealed_notes(notes) else {NOTES: self._sealed(orjson.dumps(notes))}

    def open(self, sealed: bytes) -> bytes | None:
        """The content of a sealed text's base64; None if another key sealed it."""
        try:
            whole = base64.urlsafe_b64decode(sealed + b"=" * (-len(sealed) % 4))
            return self._cipher.decrypt(whole[:NONCE_BYTES], whole[NONCE_BYTES:], self._order_id.encode())
        except (InvalidTag, ValueError, binascii.Error):
            return None

    def _sealed(self, plain: bytes) -> str:
        nonce = hashlib.blake2b(plain, key=self._nonces, digest_size=NONCE_BYTES).digest()
        whole = nonce + self._cipher.encrypt(nonce, plain, self._order_id.encode())
        return f"{PREFIX}{self._order_id}:{base64.urlsafe_b64encode(whole).rstrip(b'=').decode()}"


Keys = Mapping[str, OrderKey | None]
"""Order id -> its key; None if the key was erased."""


@lru_cache(maxsize=8_192)
def path_of(order_id: str) -> str:
    """The order's path from the root, one step for each digit."""
    return hashlib.sha256(order_id.encode()).hexdigest()[:LEVELS]


@lru_cache(maxsize=4_096)
def key_below(node: bytes, steps: str, order_id: str) -> OrderKey:
    """The order's key; `steps` lead from the node to its leaf."""
    for step in steps:
        node = _child(node, step.encode())
    return OrderKey(order_id, node)


def without(node: bytes, way: str, path: str) -> dict[str, bytes]:
    """Way -> node, for the nodes that take the place of the one at the end of `way`: all below it but `path`'s leaf."""
    beside: dict[str, bytes] = {}
    for step in path[len(way) :]:
        children = {way + one: _child(node, one.encode()) for one in STEPS}
        way += step
        node = children.pop(way)
        beside |= children
    return beside


def is_sealed(text: object) -> bool:
    return isinstance(text, str) and text.startswith(PREFIX)


def order_of(sealed: str) -> str:
    """The order whose key opens a sealed text."""
    return sealed[len(PREFIX) :].partition(":")[0]


def is_sealed_notes(notes: Mapping[str, object]) -> bool:
    return len(notes) == 1 and is_sealed(notes.get(NOTES))


def orders_in(content: bytes) -> set[str]:
    """Ids of the orders whose sealed fields are in a JSON text."""
    return {found[1].decode() for found in _found_in(content)}


def opened(content: bytes, keys: Keys) -> bytes:
    """The JSON text, or server-sent events with JSON, with every sealed field opened.

    A field that can no longer be opened is null (notes: empty), and the object around it has `"erased": true`.
    """
    parts: list[bytes] = []
    place, lost = 0, False
    for found in _found_in(content):
        key = keys.get(found[1].decode())
        text = None if key is None else key.open(found[2])
        if text is None:
            lost = True
            continue
        begin, end = found.span()
        if _is_notes(content, begin, end):
            begin, end = begin - len(_NOTES_BEFORE), end + len(_NOTES_AFTER)
        else:
            text = orjson.dumps(text.decode())
        parts += (content[place:begin], text)
        place = end
    result = b"".join((*parts, content[place:]))
    return _with_marks(result) if lost else result


def _found_in(content: bytes) -> Iterator[re.Match[bytes]]:
    """Each sealed text with its quotes: group 1 is the order, 2 the base64. To find MARK first is much faster."""
    place = content.find(MARK)
    while place >= 0:
        found = _SEALED.match(content, place)
        if found is not None:
            yield found
        place = content.find(MARK, place + 1 if found is None else found.end())


def _is_notes(content: bytes, begin: int, end: int) -> bool:
    before = content[max(0, begin - len(_NOTES_BEFORE)) : begin]
    return before == _NOTES_BEFORE and content[end : end + 1] == _NOTES_AFTER


def opened_text(text: str, keys: Keys) -> str:
    """One field; ERASED if it can no longer be opened. For formats without room for a mark: a cell, a line."""
    found = _SEALED.fullmatch(b'"' + text.encode() + b'"')
    if found is None:
        return text
    key = keys.get(found[1].decode())
    plain = None if key is None else key.open(found[2])
    return ERASED if plain is None else plain.decode()


def opened_notes(notes: dict[str, str], keys: Keys) -> dict[str, str]:
    """As `opened_text`."""
    if not is_sealed_notes(notes):
        return notes
    text = opened_text(notes[NOTES], keys)
    if text == ERASED:
        return {ERASED: "true"}
    plain: dict[str, str] = orjson.loads(text)
    return plain


def _with_marks(content: bytes) -> bytes:
    lines = content.split(b"\n")
    return b"\n".join(_marked_line(line) for line in lines)


def _marked_line(line: bytes) -> bytes:
    if MARK not in line:
        return line
    begin = len(_FRAME) if line.startswith(_FRAME) else 0
    return line[:begin] + orjson.dumps(_marked(orjson.loads(line[begin:])))


def _marked(value: Any) -> Any:
    """The value without the parts that are still sealed."""
    if isinstance(value, list):
        return [None if is_sealed(one) else _marked(one) for one in value]
    if not isinstance(value, dict):
        return value
    lost = False
    kept: dict[str, Any] = {}
    for name, one in value.items():
        if is_sealed(one):
            kept[name], lost = None, True
        elif isinstance(one, dict) and is_sealed_notes(one):
            kept[name], lost = {}, True
        else:
            kept[name] = _marked(one)
    return {**kept, ERASED: True} if lost else kept


def _child(node: bytes, step: bytes) -> bytes:
    return hashlib.blake2b(step, key=node, digest_size=KEY_BYTES).digest()
