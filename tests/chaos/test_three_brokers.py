"""Three brokers, one SIGKILLed under load: every response holds, and nothing differs afterwards."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import httpx
import pytest

from ops.console.environment import REPOSITORY
from tests.support.eventually import eventually
from tests.support.stack import Stack, running_stack

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(420)]
ROLES = ("api", "payments", "processor", "jobs", "sweeper", "auditor")
CLIENTS = 8
LOAD_SECONDS = 25.0
KILL_AFTER_SECONDS = 6.0
UNAVAILABLE_SECONDS_MAX = 15.0
"""A broker's session is 3 s, then its partitions get new leaders and the clients hear of it."""


@dataclass(slots=True)
class Responses:
    """What the load was told."""

    payments: list[str] = field(default_factory=list)
    unavailable: int = 0
    wrong: list[str] = field(default_factory=list)
    successes: list[float] = field(default_factory=list)

    def longest_gap_seconds(self) -> float:
        moments = sorted(self.successes)
        return max(later - earlier for earlier, later in itertools.pairwise(moments))


@pytest.fixture(scope="module")
def cluster(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The gateway on three brokers of its own."""
    with running_stack(
        roles=ROLES, env={"KAFKA_BROKERS": "3"}, failed=lambda: request.session.testsfailed > 0
    ) as running:
        yield running


async def test_a_broker_that_is_killed_under_load_costs_nothing(cluster: Stack) -> None:
    responses = Responses()
    async with asyncio.TaskGroup() as clients:
        for _ in range(CLIENTS):
            clients.create_task(_pay(cluster, responses, until=time.monotonic() + LOAD_SECONDS))
        await asyncio.sleep(KILL_AFTER_SECONDS)
        assert cluster.kill("kafka-2", index=None)
    print(
        f"{len(responses.payments)} payments, {responses.unavailable} honest 503s, "
        f"longest gap {responses.longest_gap_seconds():.1f} s"
    )
    assert responses.wrong == []
    assert len(responses.payments) > 50
    assert responses.longest_gap_seconds() < UNAVAILABLE_SECONDS_MAX
    await eventually(lambda: _all_settled(cluster, responses.payments), timeout=60)
    verified = await asyncio.to_thread(_verify, cluster)
    assert verified.returncode == 0, verified.stdout + verified.stderr


async def _pay(stack: Stack, responses: Responses, *, until: float) -> None:
    """One client: order, payment, again; a request that failed is repeated with its key, as the answer advises."""
    headers = {
        "X-Api-Key": stack.settings.test_api_key,
        "X-Api-Secret": stack.settings.test_api_secret.get_secret_value(),
    }
    async with httpx.AsyncClient(base_url=f"{stack.api_url}/api/v1", headers=headers, timeout=15) as client:
        while time.monotonic() < until:
            order_id = await _created(client, responses, "/orders", {"amount": 50_000})
            body = {"order_id": order_id, "method": "upi", "vpa": "success@upi"}
            responses.payments.append(await _created(client, responses, "/payments", body))


async def _created(client: httpx.AsyncClient, responses: Responses, path: str, body: Mapping[str, object]) -> str:
    key = f"broker-{time.monotonic_ns()}-{id(body)}"
    for _ in range(60):
        response = await client.post(path, json=body, headers={"Idempotency-Key": key})
        if response.status_code in (201, 202):
            responses.successes.append(time.monotonic())
            return str(response.json()["id"])
        if response.status_code not in (409, 503) or "Retry-After" not in response.headers:
            responses.wrong.append(f"{path}: {response.status_code} {response.text}")
            raise AssertionError(responses.wrong[-1])
        responses.unavailable += 1
        await asyncio.sleep(0.5)
    raise AssertionError(f"{path} was not accepted in 60 attempts")


async def _all_settled(stack: Stack, payment_ids: list[str]) -> bool:
    """Every payment that was answered is there, and decided."""
    headers = {
        "X-Api-Key": stack.settings.test_api_key,
        "X-Api-Secret": stack.settings.test_api_secret.get_secret_value(),
    }
    async with httpx.AsyncClient(base_url=f"{stack.api_url}/api/v1", headers=headers, timeout=15) as client:
        responses = [await client.get(f"/payments/{payment_id}") for payment_id in payment_ids]
    assert all(response.status_code == 200 for response in responses)
    return all(response.json()["status"] == "SUCCESS" for response in responses)


def _verify(stack: Stack) -> subprocess.CompletedProcess[str]:
    """`gateway verify`, as an operator would run it on this stack."""
    return subprocess.run(
        [sys.executable, "-m", "ops.cli", "verify"],
        cwd=REPOSITORY,
        env=dict(stack.env),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
