"""The log grows from 12 to 48 partitions under load: nothing is lost or doubled, no order is decided by two, and a
database from before does not decide anything."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from bench.drill import settled
from domain.ids import ORDER
from ops.console.environment import REPOSITORY
from runtime.fenced import COMMAND
from runtime.settings import Settings
from store.connections import make_pool
from tests.support.command import Ended, gateway
from tests.support.command_client import CommandClient, fresh, order_command
from tests.support.copies import copy_database, restore_database
from tests.support.eventually import eventually
from tests.support.load import Load
from tests.support.signed_up import SignedUp, signed_up
from tests.support.stack import ALL_ROLES, Stack, running_stack
from topics.catalogue import EVENTS, partition_of
from topics.reader import Start, log_reader

pytestmark = pytest.mark.timeout(420)
BEFORE, AFTER = 12, 48
ROLES = tuple(role for role in ALL_ROLES if role != "auditor")


@pytest.fixture(scope="module")
def own(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A whole gateway whose log grows; the tests of this module follow its life."""
    env = {"ACTOR_WORKERS": "2", "API_WORKERS": "2", "PAYMENT_DEADLINE_SECONDS": "5"}
    with running_stack(roles=ROLES, env=env, failed=lambda: request.session.testsfailed > 0) as running:
        yield running


@pytest.fixture
async def pool(own: Stack) -> AsyncIterator[asyncpg.Pool]:
    made = await make_pool(own.settings, size=2)
    yield made
    made.terminate()


async def well(own: Stack, *arguments: str, **env: str) -> Ended:
    ended = await gateway(own, *arguments, **env)
    assert ended.code == 0, f"{ended.out}\n{ended.err}"
    return ended


def runbook_command() -> list[str]:
    """The one command of the runbook's section."""
    text = (REPOSITORY / "docs" / "RUNBOOK.md").read_text(encoding="utf-8")
    found = re.search(r"## More partitions\n.*?```sh grow\ngateway (.*?)\n```", text, re.DOTALL)
    assert found is not None
    return found[1].split()


async def places(settings: Settings, topic: str) -> dict[str, list[int]]:
    """Key -> partitions on which its records stand, each once, in the order of the log."""
    found: dict[str, list[int]] = {}
    async with log_reader(settings) as reader:
        spans = await reader.spans(await reader.partitions([topic]), Start())
        async for record in reader.merged(spans):
            stands = found.setdefault(record.key.decode(), [])
            if record.partition not in stands:
                stands.append(record.partition)
    return found


async def test_the_log_grows_under_load_and_keeps_every_promise(own: Stack, pool: asyncpg.Pool, tmp_path: Path) -> None:
    anchor = str(tmp_path / "anchor.json")
    load = Load(own, seed=11)
    async with load.running():
        await eventually(lambda: len(load.promises) > 60, timeout=90, what="payments before the growth")
        await well(own, "verify", "--anchor", anchor)

        # Given a dry run, which changes nothing, and numbers that are refused,
        dry = await well(own, "topics", "grow", "--partitions", str(AFTER))
        assert "12 partitions become 48" in dry.out
        assert "nothing was changed" in dry.out
        for number in ("12", "30", "6", "512"):
            assert (await gateway(own, "topics", "grow", "--partitions", number, "--apply")).code == 2

        # when the log grows under load,
        done = await well(own, *runbook_command())
        assert "everything is decided, planned and numbered" in done.out, done.out
        assert "the payment actors have 48 partitions" in done.out, done.out
        before = len(load.promises)
        await eventually(lambda: len(load.promises) > before + 60, timeout=90, what="payments after the growth")
    print(done.out, f"longest gap between two answers: {load.longest_gap_seconds():.1f} s")

    # then every answer that was given holds, no key was answered twice, and no other error was seen than 503;
    assert load.wrong == []
    assert load.twice == []
    async with pool.acquire() as connection:
        assert await load.broken_promises(connection) == []
    await settled(own)

    # orders that were alive have events on both partitions, in their order, and others moved as a whole;
    stands = await places(own.settings, EVENTS)
    both = {key: numbers for key, numbers in stands.items() if len(numbers) > 1}
    assert both, "some order was created before the growth and paid after it"
    for key, numbers in stands.items():
        homes = [partition_of(key.encode(), count) for count in (BEFORE, AFTER)]
        assert numbers in ([homes[0]], [homes[1]], homes)
    assert any(number >= BEFORE for numbers in stands.values() for number in numbers)

    # the audit finds nothing, also against an anchor, and the tools find records on either partition.
    await well(own, "verify", "--anchor", anchor)
    order_id = next(iter(both))
    journey = await well(own, "journey", order_id)
    for number in both[order_id]:
        assert f"events/{number}/" in journey.out or f"commands/{number}/" in journey.out, journey.out
    assert await pool.fetchval("SELECT array_agg(partitions ORDER BY partitions) FROM log_partitions") == [
        BEFORE,
        AFTER,
    ]


async def test_a_writer_that_has_not_noticed_is_decided_by_the_orders_owner(own: Stack, pool: asyncpg.Pool) -> None:
    """An API worker that was cut off from PostgreSQL goes on with the former number."""
    async with CommandClient(own.settings) as unaware:
        while partition_of((order_id := fresh(ORDER)).encode(), BEFORE) == partition_of(order_id.encode(), AFTER):
            pass
        assert not (await unaware.send(order_command(order_id)))["rejected"]

    async def published() -> bool:
        return (await places(own.settings, EVENTS)).get(order_id) == [partition_of(order_id.encode(), AFTER)]

    await eventually(published, timeout=20, interval=0.5, what="its event is on its own partition")
    await well(own, "verify")


async def test_a_start_with_another_number_is_refused(own: Stack) -> None:
    refused = await gateway(own, "topics", "create", TOPIC_PARTITIONS="24")
    assert refused.code == 1
    assert "TOPIC_PARTITIONS is 24, and this gateway's log has 48 partitions" in refused.err
    assert "`gateway topics grow --partitions N`" in refused.err
    for number in (BEFORE, AFTER):
        await well(own, "topics", "create", TOPIC_PARTITIONS=str(number))


async def test_a_database_from_before_the_growth_decides_nothing_until_it_is_recovered(
    own: Stack, pool: asyncpg.Pool
) -> None:
    async with signed_up(own) as merchant:
        order = await an_order_that_moves(merchant, 96)
        copy = await copy_database(own)
        await eventually(merchant.pay, timeout=60, what="payments after the copy was made")
        await well(own, "topics", "grow", "--partitions", "96", "--apply")
        paid = await eventually(lambda: pay(merchant, order["id"]), timeout=60, what="the order is paid")
        await restore_database(own, copy)

        async def is_fenced() -> bool:
            ended = await gateway(own, "health")
            return ended.code == 1 and f"run `{COMMAND}`" in ended.out

        await eventually(is_fenced, timeout=60, interval=1.0, what="the fence is closed")
        growing = await gateway(own, "topics", "grow", "--partitions", "96", "--apply")
        assert growing.code == 1
        assert "`gateway recover --apply` brings it up to the log" in growing.err
        second = await merchant.client.post("/payments", json=payment_body(order["id"]))
        assert second.status_code in (202, 503), second.text

        recovered = await well(own, "recover", "--apply")
        assert "the log has grown to 96 partitions since" in recovered.out
        await eventually(merchant.pay, timeout=60, what="payments are made again")
        assert (await merchant.get(f"/payments/{paid}"))["status"] == "SUCCESS"
        third = await merchant.client.post("/payments", json=payment_body(order["id"]))
        assert third.json()["error"]["description"] == "Order already paid"
        await well(own, "verify")


async def an_order_that_moves(merchant: SignedUp, partitions: int) -> dict[str, Any]:
    """An order whose partition is another one with so many."""
    while True:
        order = await merchant.order()
        key = order["id"].encode()
        if partition_of(key, AFTER) != partition_of(key, partitions):
            return order


def payment_body(order_id: str) -> dict[str, str]:
    return {"order_id": order_id, "method": "upi", "vpa": "success@upi"}


async def pay(merchant: SignedUp, order_id: str) -> str:
    """The id of a payment that succeeded."""
    response = await merchant.client.post("/payments", json=payment_body(order_id))
    assert response.status_code in (201, 202), response.text
    payment = await merchant.until("/payments", response.json()["id"], "SUCCESS")
    return str(payment["id"])
