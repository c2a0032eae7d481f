"""The audit log's chains: whole, unchanged, and sealed by the gateway.

entry n    place n, hash over entry n-1 and its body, columns equal to the body's fields, a seal by a key of the ring
last one   its seal must be by a key of the ring: it covers all before it
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from ops.audit.verify.findings import Check, Finding
from runtime.keyring import KeyRing
from store.accounts.audit_log import FIRST_HASH, hash_of, is_sealed
from store.driver import Row

NAMED = ("actor", "action", "subject", "chain", "place")
"""Columns that lists filter by; each is also in the body."""


@dataclass(slots=True)
class AuditChains:
    """Reads entries in the order of their chains and places."""

    ring: KeyRing
    entries: int = 0
    _chain: str = ""
    _place: int = 0
    _hash: bytes = FIRST_HASH
    _unproved: str | None = None
    """The entry read last, if its seal could not be checked."""

    def add(self, rows: Sequence[Row | dict[str, Any]]) -> Iterator[Finding]:
        for row in rows:
            if row["chain"] != self._chain:
                yield from self.ended()
                self._chain, self._place, self._hash = row["chain"], 0, FIRST_HASH
            yield from self._entry(row)

    def ended(self) -> Iterator[Finding]:
        """Call when all rows were added."""
        if self._unproved is not None:
            yield _finding(self._unproved, "is the last of its chain, and no key of the ring proves its seal")
            self._unproved = None

    def _entry(self, row: Row | dict[str, Any]) -> Iterator[Finding]:
        self.entries += 1
        subject = f"{row['chain']}/{row['place']}"
        if row["place"] != self._place + 1:
            yield _finding(subject, f"comes after entry {self._place}: what stood between them is gone")
        elif row["hash"] != hash_of(self._hash, row["body"]):
            yield _finding(subject, "is not what was written: its hash does not follow from its body")
        if not _agrees(row):
            yield _finding(subject, "is listed under other words than its body has")
        proved = is_sealed(row["hash"], row["seal"], self.ring)
        if proved is False:
            yield _finding(subject, "has a seal that this gateway did not make")
        self._unproved = subject if proved is None else None
        self._place, self._hash = row["place"], row["hash"]


def _agrees(row: Row | dict[str, Any]) -> bool:
    body = orjson.loads(row["body"])
    return all(body[name] == row[name] for name in NAMED) and datetime.fromisoformat(body["at"]) == row["at"]


def _finding(subject: str, message: str) -> Finding:
    return Finding(Check.AUDIT_LOG, subject, message)
