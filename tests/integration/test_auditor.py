"""The auditor on a real history: it audits everything once, then changed orders, and reports its findings."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from agents.role import Context
from ops.audit.continuous.auditor import Auditor
from ops.audit.verify.findings import Kind
from runtime.worker import Worker
from store.operations.audits import AuditStore
from store.redis.clients import make_redis
from tests.support.command import gateway
from tests.support.command_client import CommandClient
from tests.support.stack import Stack

AGED = "UPDATE audits SET finished_at = finished_at - interval '10 minutes'"
LATER = f"{AGED}, resumes_at = resumes_at - interval '1 day'"


def differences(kind: Kind) -> float | None:
    return REGISTRY.get_sample_value("gateway_audit_differences", {"kind": kind})


@pytest.fixture
async def auditor(intact: tuple[Stack, CommandClient]) -> Auditor:
    stack, command_client = intact
    await command_client.pool.execute("TRUNCATE audits")
    context = Context(stack.settings, Worker("auditor", 0, "auditor-test", 0), make_redis(stack.settings))
    return Auditor(context, AuditStore(command_client.pool))


async def test_changed_orders_are_audited_until_nothing_differs(
    intact: tuple[Stack, CommandClient], auditor: Auditor
) -> None:
    stack, command_client = intact
    store = AuditStore(command_client.pool)
    # Given a first audit, which is of everything and finds nothing,
    await auditor.turn()
    whole = await store.latest(whole=True)
    assert whole is not None and whole.differences == {} and whole.events >= 40
    # and another turn at once, which finds nothing to do,
    await auditor.turn()
    assert await store.latest(whole=False) is None
    # when a row is damaged and the next audit is due,
    await command_client.pool.execute("UPDATE commands SET decided_at = decided_at - interval '1 hour'")
    await command_client.pool.execute("UPDATE commands SET reply = 'x' WHERE id = 'idk_order'")
    await command_client.pool.execute(LATER)
    await auditor.turn()
    # then the audit of what moved finds it, as a metric and in `gateway health`,
    recent = await store.latest(whole=False)
    assert recent is not None and recent.differences == {"reply": 1}
    await auditor.turn()
    assert differences(Kind.REPLY) == 1
    assert "the auditor found differences (1 reply)" in (await gateway(stack, "health")).out
    # and the next one begins where it began, so it is found again,
    await command_client.pool.execute(AGED)
    await auditor.turn()
    again = await store.latest(whole=False)
    assert again is not None and again.resumes_at == recent.resumes_at and again.differences == {"reply": 1}
    # until it is repaired.
    assert (await gateway(stack, "repair", "reply", "--apply")).code == 0
    await command_client.pool.execute(AGED)
    await auditor.turn()
    healed = await store.latest(whole=False)
    assert healed is not None and healed.differences == {} and healed.resumes_at > again.resumes_at
    await auditor.turn()
    assert differences(Kind.REPLY) == 0
