"""The audit log's chains: whatever is changed, removed, inserted or moved shows, and a key may leave the ring."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from ops.audit.verify.chained import AuditChains
from runtime.keyring import GatewayKey, KeyRing
from store.accounts.audit_log import FIRST_HASH, differing, hash_of, seal_of

OLD = GatewayKey("old", SecretStr("x9Tq-4mVbN7wR2zLc8_dYf6hKs1gPj3E"))
NEW = GatewayKey("new", SecretStr("Zk3vQm7r-0aXyW1tBn8sLd5_fGhJ2kPq"))
BEFORE, DURING, AFTER = KeyRing((OLD,)), KeyRing((NEW, OLD)), KeyRing((NEW,))
AT = datetime(2026, 11, 25, 10, tzinfo=UTC)
Rows = list[dict[str, Any]]


def chain(name: str, *rings: KeyRing) -> Rows:
    """A chain whose entries were written with these rings, one each."""
    rows: Rows = []
    previous = FIRST_HASH
    for place, ring in enumerate(rings, 1):
        named = {
            "chain": name,
            "place": place,
            "actor": "key apk_1",
            "action": "key.created",
            "subject": f"apk_{place}",
        }
        body = orjson.dumps({**named, "at": AT, "before": None, "after": {"name": "Shop"}}).decode()
        digest = hash_of(previous, body)
        rows.append({**named, "at": AT, "body": body, "hash": digest, "seal": seal_of(digest, ring)})
        previous = digest
    return rows


def found(rows: Rows, ring: KeyRing = BEFORE) -> list[str]:
    chains = AuditChains(ring)
    message = [f"{one.subject} {one.message}" for one in (*chains.add(rows), *chains.ended())]
    assert chains.entries == len(rows)
    return message


def test_unchanged_chains_are_whole() -> None:
    assert found([*chain("mer_1", BEFORE, BEFORE, BEFORE), *chain("mer_2", BEFORE), *chain("operator", BEFORE)]) == []
    assert found([]) == []


def _body_altered(rows: Rows) -> None:
    rows[1]["body"] = rows[1]["body"].replace("Shop", "Till")


def _body_and_hash_altered(rows: Rows) -> None:
    """By somebody who knows how, and not the key."""
    previous = rows[0]["hash"]
    for row in rows[1:]:
        row["body"] = row["body"].replace("Shop", "Till")
        row["hash"] = previous = hash_of(previous, row["body"])


def _removed(rows: Rows) -> None:
    del rows[1]


def _first_removed(rows: Rows) -> None:
    del rows[0]


def _inserted(rows: Rows) -> None:
    rows.insert(1, {**rows[0], "place": 2})


def _moved_to_another_chain(rows: Rows) -> None:
    for row in rows:
        row["chain"] = "mer_9"


def _listed_otherwise(rows: Rows) -> None:
    rows[1]["action"] = "key.revoked"


def _dated_otherwise(rows: Rows) -> None:
    rows[1]["at"] = datetime(2025, 1, 1, tzinfo=UTC)


def _sealed_by_a_stranger(rows: Rows) -> None:
    rows[2]["seal"] = rows[2]["seal"][:4] + bytes(32)


def _seal_of_an_unknown_key(rows: Rows) -> None:
    rows[2]["seal"] = bytes(36)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_body_altered, "mer_1/2 is not what was written"),
        (_body_and_hash_altered, "mer_1/2 has a seal that this gateway did not make"),
        (_removed, "mer_1/3 comes after entry 1"),
        (_first_removed, "mer_1/2 comes after entry 0"),
        (_inserted, "mer_1/2 is not what was written"),
        (_moved_to_another_chain, "mer_9/1 is listed under other words"),
        (_listed_otherwise, "mer_1/2 is listed under other words"),
        (_dated_otherwise, "mer_1/2 is listed under other words"),
        (_sealed_by_a_stranger, "mer_1/3 has a seal that this gateway did not make"),
        (_seal_of_an_unknown_key, "mer_1/3 is the last of its chain, and no key of the ring proves its seal"),
    ],
)
def test_whatever_somebody_does_to_a_chain_shows(damage: Callable[[Rows], None], message: str) -> None:
    rows = chain("mer_1", BEFORE, BEFORE, BEFORE)
    damage(rows)
    assert any(one.startswith(message) for one in found(rows)), found(rows)


def test_a_chain_stays_provable_after_a_key_has_left_the_ring() -> None:
    rows = chain("mer_1", BEFORE, BEFORE, DURING)
    assert found(rows, AFTER) == []
    _body_altered(rows)
    assert found(rows, AFTER) == ["mer_1/2 is not what was written: its hash does not follow from its body"]


def test_only_what_differs_is_written_down() -> None:
    was, is_now = {"name": "Tea", "capture": "manual"}, {"name": "Tea", "capture": "automatic"}
    assert differing(was, is_now) == {"before": {"capture": "manual"}, "after": {"capture": "automatic"}}
