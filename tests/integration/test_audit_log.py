"""The audit log on a real database: one chain under many hands, nothing undone, nothing changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from domain.audited import Action
from ops.audit.verify.chained import AuditChains
from store.accounts.audit_log import EntryFilter, chained_entries, list_entries
from store.connections import make_pool
from store.driver import Pool
from tests.support.shop import Shop, open_shop
from tests.support.stack import Stack
from tests.support.witness import somebody

EVERYTHING = EntryFilter()


@pytest.fixture
async def shop(services: Stack) -> AsyncIterator[Shop]:
    async with open_shop(services.settings) as found:
        yield found


@pytest.fixture
async def pool(services: Stack) -> AsyncIterator[Pool]:
    made = await make_pool(services.settings, size=8)
    yield made
    await made.close()


async def _findings(shop: Shop, pool: Pool) -> list[str]:
    """Of this merchant's chain, as verify looks for them."""
    chains = AuditChains(shop.settings.keys)
    async with pool.acquire() as connection:
        rows = [row async for portion in chained_entries(connection) for row in portion]
    ours = [row for row in rows if row["chain"] == shop.merchant_id]
    return [f"{one.subject} {one.message}" for one in (*chains.add(ours), *chains.ended())]


async def test_many_hands_write_one_chain_without_a_gap(shop: Shop, pool: Pool) -> None:
    acts = (
        somebody(shop.settings, shop.merchant_id, Action.KEY_CREATED).attest_alone(pool, f"k{n}") for n in range(40)
    )
    await asyncio.gather(*acts)
    found = await list_entries(pool, shop.merchant_id, EVERYTHING, before_place=None, limit=100)
    assert [entry.place for entry in found] == list(range(40, 0, -1))
    assert {entry.subject for entry in found} == {f"k{n}" for n in range(40)}
    assert await _findings(shop, pool) == []


async def test_an_entry_ends_with_the_transaction_that_it_is_about(shop: Shop, pool: Pool) -> None:
    seen = somebody(shop.settings, shop.merchant_id)
    with pytest.raises(RuntimeError, match="the change fails"):
        async with pool.acquire() as connection, connection.transaction():
            await seen.attest(connection, "undone")
            raise RuntimeError("the change fails")
    await seen.attest_alone(pool, "done")
    found = await list_entries(pool, shop.merchant_id, EVERYTHING, before_place=None, limit=10)
    assert [(entry.place, entry.subject) for entry in found] == [(1, "done")]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET actor = 'nobody'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
    ],
)
async def test_nothing_in_it_can_be_changed_or_removed(shop: Shop, pool: Pool, statement: str) -> None:
    await somebody(shop.settings, shop.merchant_id).attest_alone(pool, "kept")
    connection = await asyncpg.connect(shop.settings.database_url.get_secret_value())
    try:
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await connection.execute(statement)
    finally:
        await connection.close()
    assert await list_entries(pool, shop.merchant_id, EVERYTHING, before_place=None, limit=10)


async def test_whoever_lifts_the_lock_and_changes_an_entry_is_found(shop: Shop, pool: Pool) -> None:
    for subject in ("first", "second"):
        await somebody(shop.settings, shop.merchant_id).attest_alone(pool, subject)
    connection = await asyncpg.connect(shop.settings.database_url.get_secret_value())
    try:
        async with connection.transaction():
            await connection.execute("ALTER TABLE audit_log DISABLE TRIGGER audit_log_stays")
            changed = "UPDATE audit_log SET body = replace(body, 'first', 'other') WHERE chain = $1 AND place = 1"
            await connection.execute(changed, shop.merchant_id)
            await connection.execute("ALTER TABLE audit_log ENABLE TRIGGER audit_log_stays")
        assert await _findings(shop, pool) == [
            f"{shop.merchant_id}/1 is not what was written: its hash does not follow from its body",
            f"{shop.merchant_id}/1 is listed under other words than its body has",
        ]
        async with connection.transaction():
            await connection.execute("ALTER TABLE audit_log DISABLE TRIGGER audit_log_stays")
            await connection.execute("DELETE FROM audit_log WHERE chain = $1", shop.merchant_id)
            await connection.execute("ALTER TABLE audit_log ENABLE TRIGGER audit_log_stays")
    finally:
        await connection.close()


async def test_filters_and_pages_find_their_entries(shop: Shop, pool: Pool) -> None:
    for number in range(5):
        action = Action.KEY_CREATED if number % 2 else Action.KEY_REVOKED
        await somebody(shop.settings, shop.merchant_id, action).attest_alone(pool, f"k{number}", after={"n": number})
    created = EntryFilter(action=Action.KEY_CREATED)
    listed = await list_entries(pool, shop.merchant_id, created, before_place=None, limit=10)
    assert [entry.subject for entry in listed] == ["k3", "k1"]
    one = await list_entries(pool, shop.merchant_id, EntryFilter(subject="k2"), before_place=None, limit=10)
    assert [(entry.place, entry.after) for entry in one] == [(3, {"n": 2})]
    older = await list_entries(pool, shop.merchant_id, EVERYTHING, before_place=3, limit=1)
    assert [entry.place for entry in older] == [2]
