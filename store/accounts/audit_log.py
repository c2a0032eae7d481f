"""The audit log: who did what, when and from where. Append-only, one chain of entries for each merchant.

    body (JSON) ─► hash = SHA-256(hash of the previous entry ─ body) ─► seal = tag of the key ─ HMAC-SHA256(key, hash)

Changing, removing or inserting an entry breaks the chain; repairing the chain requires the key. The
seal of the last entry covers all before it, so a chain stays provable after a key has left the ring. An entry is
written in the transaction of its action, or before the command is submitted to the actors.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from domain.audited import Action
from runtime.keyring import TAG_BYTES, KeyRing
from runtime.logs import get_logger
from store.driver import Connection, Pool, Row
from store.keyset import Conditions

log = get_logger("audit-log")

OPERATOR = "operator"
"""The chain of the command line; every other chain is a merchant's id."""
FIRST_HASH = bytes(32)
"""Before the first entry."""
CHAIN_PORTION = 5_000
_PURPOSE = "audit-log"
Values = Mapping[str, Any]

# One entry of a chain at a time, to the end of the transaction. Taken last, so that nothing waits in a circle.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended($1, 7240009))"
# audit_log_pkey
LAST = "SELECT place, hash FROM audit_log WHERE chain = $1 ORDER BY place DESC LIMIT 1"
APPEND = """
INSERT INTO audit_log (chain, place, at, actor, action, subject, body, hash, seal)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
# audit_log_pkey
CHAINED = """
SELECT chain, place, at, actor, action, subject, body, hash, seal
  FROM audit_log
 WHERE (chain, place) > ($1, $2)
 ORDER BY chain, place
 LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class Doing:
    """The actor, the action and the address. `actor`: `key apk_…`, `user user_…`, `operator name@host`."""

    chain: str
    actor: str
    action: Action
    address: str
    request_id: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it is shown."""

    place: int
    at: datetime
    actor: str
    action: str
    subject: str
    address: str
    request_id: str | None
    before: Values | None
    after: Values | None


@dataclass(frozen=True, slots=True)
class Witness:
    """Records an action, sealed with the ring's newest key."""

    doing: Doing
    ring: KeyRing

    async def attest(
        self, connection: Connection, subject: str, *, before: Values | None = None, after: Values | None = None
    ) -> None:
        """Append the entry in the caller's transaction: action and entry are committed together or not at all."""
        doing = self.doing
        await connection.execute(LOCK, doing.chain)
        last = await connection.fetchrow(LAST, doing.chain)
        place, previous = (1, FIRST_HASH) if last is None else (last["place"] + 1, last["hash"])
        body = _body(doing, place, subject, before, after)
        digest = hash_of(previous, body)
        await connection.execute(
            APPEND, doing.chain, place, doing.at, doing.actor, doing.action, subject, body, digest,
            seal_of(digest, self.ring),
        )  # fmt: skip
        # Also outside the database: if the end of a chain is cut off, this line remains.
        log.info("audited", chain=doing.chain, place=place, action=doing.action, hash=digest.hex())

    async def attest_alone(
        self, pool: Pool, subject: str, *, before: Values | None = None, after: Values | None = None
    ) -> None:
        """In a separate transaction, before a command is submitted to the actors. Raises the database's errors."""
        async with pool.acquire() as connection, connection.transaction():
            await self.attest(connection, subject, before=before, after=after)


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries of a chain; None: any."""

    action: str | None = None
    actor: str | None = None
    subject: str | None = None
    from_at: datetime | None = None
    to_at: datetime | None = None


def differing(before: Values, after: Values) -> dict[str, Values]:
    """`before` and `after` of an entry: only the differing parts."""
    names = [name for name in after if before.get(name) != after[name]]
    return {
        "before": {name: before.get(name) for name in names},
        "after": {name: after[name] for name in names},
    }


async def list_entries(
    pool: Pool, chain: str, filters: EntryFilter, *, before_place: int | None, limit: int
) -> list[Entry]:
    """Newest first. audit_log_pkey, or audit_log_subject."""
    conditions = Conditions()
    conditions.add("chain = {}", chain)
    conditions.add_given("place < {}", before_place)
    conditions.add_given("action = {}", filters.action)
    conditions.add_given("actor = {}", filters.actor)
    conditions.add_given("subject = {}", filters.subject)
    conditions.add_given("at >= {}", filters.from_at)
    conditions.add_given("at < {}", filters.to_at)
    text = f"SELECT body FROM audit_log {conditions.sql} ORDER BY place DESC LIMIT {int(limit)}"
    return [_entry_of(row) for row in await pool.fetch(text, *conditions.parameters)]


async def chained_entries(connection: Connection) -> AsyncIterator[Sequence[Row]]:
    """Every entry, chain by chain from its beginning, in portions."""
    after: tuple[str, int] = ("", 0)
    while rows := await connection.fetch(CHAINED, *after, CHAIN_PORTION):
        yield rows
        after = rows[-1]["chain"], rows[-1]["place"]


def hash_of(previous: bytes, body: str) -> bytes:
    return hashlib.sha256(previous + body.encode()).digest()


def seal_of(digest: bytes, ring: KeyRing) -> bytes:
    tag, key = next(iter(ring.derived(_PURPOSE).items()))
    return tag + hmac.digest(key, digest, "sha256")


def is_sealed(digest: bytes, seal: bytes, ring: KeyRing) -> bool | None:
    """None if the seal names a key that is not in the ring."""
    key = ring.derived(_PURPOSE).get(seal[:TAG_BYTES])
    return None if key is None else hmac.compare_digest(hmac.digest(key, digest, "sha256"), seal[TAG_BYTES:])


def _body(doing: Doing, place: int, subject: str, before: Values | None, after: Values | None) -> str:
    return orjson.dumps(
        {
            "chain": doing.chain,
            "place": place,
            "at": doing.at,
            "actor": doing.actor,
            "action": doing.action,
            "subject": subject,
            "address": doing.address,
            "request_id": doing.request_id,
            "before": before,
            "after": after,
        },
        option=orjson.OPT_UTC_Z | orjson.OPT_SORT_KEYS,
    ).decode()


def _entry_of(row: Row) -> Entry:
    body = orjson.loads(row["body"])
    del body["chain"]
    return Entry(**{**body, "at": datetime.fromisoformat(body["at"])})
