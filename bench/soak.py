"""`make soak`: the whole mix at half of this machine's capacity, for a while: finds growth, drift and failures.

    python -m bench.soak [--minutes 20] [--rate LIFECYCLES_PER_SECOND] [--json]

Each lifecycle: an order, a payment, and for some of them a capture and a refund; every success goes as a webhook to a
receiver of which one answer in ten is 500. The rate is half of a closed-loop warm-up unless given. Each minute is one
line: latency, memory of the roles, sizes. At the end the outcome is judged and `gateway verify` runs. Exit code 1 if a
request got a 5xx, memory of a process grew by more than GROWTH_MB between the second and the last quarter, or anything
differs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import aiohttp
import asyncpg
import uvloop
from aiohttp import web

from bench.__main__ import verify
from bench.load import percentile
from bench.measure import throughput, until_settled
from tests.support.eventually import eventually
from tests.support.stack import ALL_ROLES, Stack, running_stack

WARM_UP_LIFECYCLES = 3_000
CAPTURED, REFUNDED = 0.3, 0.1
"""Shares of the successful payments."""
FAILING_SHARE = 0.1
GROWTH_MB = 15
IN_FLIGHT_MAX = 400
DELIVERED_SECONDS_MAX = 120.0
UNSENT = """
SELECT (SELECT count(*) FROM payments)
     - (SELECT count(*) FROM webhook_logs WHERE event = 'payment.success' AND (attempts > 0 OR status = 'held'))
"""
"""Webhooks of the warm-up, in which every payment succeeds, that were neither tried nor wait for one before them."""
ENVIRONMENT = {
    "LOG_LEVEL": "warning",
    "TEST_PROCESSING_DELAY": "100",
    "WEBHOOK_RETRY_INTERVALS_TEST": "0,5,10,15,20",
}
TABLES = ("orders", "payments", "refunds", "events", "commands", "webhook_logs", "webhook_attempts", "rollups")


@dataclass(slots=True)
class Minute:
    """The result of one minute. Latencies of POST /payments in milliseconds, sizes in megabytes."""

    number: int
    lifecycles: int
    p50_ms: float
    p99_ms: float
    memory_mb: Mapping[str, int]
    tables_mb: int
    wal_mb: int
    topics_mb: int


@dataclass(slots=True)
class Seen:
    """Counted by the clients, emptied every minute."""

    lifecycles: int = 0
    seconds: list[float] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    left_out: int = 0


async def soak(stack: Stack, *, minutes: int, rate: float, report: bool) -> tuple[list[Minute], Seen]:
    """The load, and one reading each minute."""
    seen, under_way, lines = Seen(), set[asyncio.Task[None]](), []
    database = await asyncpg.connect(stack.database_url)
    async with _client(stack) as http:
        began_at = time.monotonic()
        for number in range(1, minutes + 1):
            while (elapsed := time.monotonic() - began_at) < number * 60:
                due = int(elapsed * rate) - seen.lifecycles - len(under_way) - seen.left_out - _ended(lines)
                for _ in range(max(0, due)):
                    if len(under_way) >= IN_FLIGHT_MAX:
                        seen.left_out += 1
                        continue
                    task = asyncio.create_task(_lifecycle(http, seen))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                await asyncio.sleep(0.01)
            lines.append(await _look(stack, database, number, seen))
            seen.lifecycles, seen.seconds = 0, []
            if report:
                print(_line(lines[-1]), flush=True)
        await asyncio.gather(*under_way)
    await until_settled(database)
    await database.close()
    return lines, seen


def _ended(lines: list[Minute]) -> int:
    return sum(line.lifecycles for line in lines)


def _client(stack: Stack) -> aiohttp.ClientSession:
    settings = stack.settings
    headers = {"X-Api-Key": settings.test_api_key, "X-Api-Secret": settings.test_api_secret.get_secret_value()}
    return aiohttp.ClientSession(stack.api_url, headers=headers, timeout=aiohttp.ClientTimeout(total=30))


async def _lifecycle(http: aiohttp.ClientSession, seen: Seen) -> None:
    order = await _post(http, "/api/v1/orders", {"amount": 50_000, "currency": "INR"}, seen)
    if order is not None:
        began_at = time.monotonic()
        body = {"order_id": order["id"], "method": "upi", "vpa": random.choice(("success@upi",) * 9 + ("failure@upi",))}
        payment = await _post(http, "/api/v1/payments", body, seen)
        seen.seconds.append(time.monotonic() - began_at)
        if payment is not None and body["vpa"] == "success@upi" and (chance := random.random()) < CAPTURED:
            await asyncio.sleep(3)
            await _post(http, f"/api/v1/payments/{payment['id']}/capture", {"amount": 50_000}, seen)
            if chance < REFUNDED:
                await _post(http, f"/api/v1/payments/{payment['id']}/refunds", {"amount": 20_000}, seen)
    seen.lifecycles += 1


async def _post(
    http: aiohttp.ClientSession, path: str, body: Mapping[str, object], seen: Seen
) -> dict[str, str] | None:
    try:
        async with http.post(path, json=body) as respond:
            if respond.status >= 500:
                seen.bad.append(f"{path}: {respond.status}")
            return await respond.json() if respond.status < 300 else None
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        seen.bad.append(f"{path}: {error!r}")
        return None


async def _look(stack: Stack, database: asyncpg.Connection, number: int, seen: Seen) -> Minute:
    sizes = await database.fetchrow(
        """
        SELECT sum(pg_total_relation_size(one::regclass))::bigint AS tables,
               pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint AS wal
          FROM unnest($1::text[]) AS one
        """,
        list(TABLES),
    )
    assert sizes is not None
    processes = stack.processes()
    return Minute(
        number=number,
        lifecycles=seen.lifecycles,
        p50_ms=percentile(seen.seconds, 0.50),
        p99_ms=percentile(seen.seconds, 0.99),
        memory_mb={name: _resident_mb(int(one["pid"])) for name, one in processes.items()},
        tables_mb=sizes["tables"] // 2**20,
        wal_mb=sizes["wal"] // 2**20,
        topics_mb=_folder_mb(stack.plan.run_dir / "kafka"),
    )


def _resident_mb(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") // 2**20


def _folder_mb(folder: Path) -> int:
    """Its size on disk: Kafka's indexes are sparse files."""
    return sum(path.stat().st_blocks for path in folder.rglob("*.log") if path.is_file()) * 512 // 2**20


def _line(minute: Minute) -> str:
    disk = f"tables {minute.tables_mb}  topics {minute.topics_mb}  WAL written {minute.wal_mb}"
    memory = "  ".join(f"{name} {size}" for name, size in minute.memory_mb.items())
    pace = f"{minute.lifecycles / 60:.1f}/s  p50 {minute.p50_ms:.1f} ms  p99 {minute.p99_ms:.1f} ms"
    return f"{minute.number:3} min  {pace}\n         on disk, MB: {disk}\n         resident, MB: {memory}"


def growth(lines: list[Minute]) -> dict[str, int]:
    """Process -> megabytes between the means of the second and of the last quarter."""
    quarter = max(1, len(lines) // 4)
    early, late = lines[quarter : 2 * quarter] or lines[:1], lines[-quarter:]
    return {name: round(_mean(late, name) - _mean(early, name)) for name in lines[-1].memory_mb}


def _mean(lines: list[Minute], name: str) -> float:
    return sum(line.memory_mb.get(name, 0) for line in lines) / len(lines)


async def _receiver() -> tuple[web.ServerRunner, str]:
    async def respond(request: web.BaseRequest) -> web.Response:
        await request.read()
        return web.Response(status=500 if random.random() < FAILING_SHARE else 200)

    runner = web.ServerRunner(web.Server(respond, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}/soak"


async def _warm_up(stack: Stack) -> float:
    """The maximum of lifecycles a second, counted until every webhook was sent once."""
    database, began_at = await asyncpg.connect(stack.database_url), time.monotonic()
    await throughput(stack, in_flight=64, count=WARM_UP_LIFECYCLES)
    await eventually(lambda: _all_sent(database), timeout=DELIVERED_SECONDS_MAX, what="every webhook to be sent once")
    await database.close()
    return WARM_UP_LIFECYCLES / (time.monotonic() - began_at)


async def _all_sent(database: asyncpg.Connection) -> bool:
    return not await database.fetchval(UNSENT)


async def _run(stack: Stack, chosen: argparse.Namespace) -> tuple[float, list[Minute], Seen]:
    runner, url = await _receiver()
    try:
        async with _client(stack) as http:
            made = await http.post("/api/v1/webhook-endpoints", json={"url": url})
            made.raise_for_status()
        most = await _warm_up(stack)
        rate = chosen.rate or most / 2
        if not chosen.json:
            print(f"{rate:.0f} lifecycles/s for {chosen.minutes} minutes", flush=True)
        lines, seen = await soak(stack, minutes=chosen.minutes, rate=rate, report=not chosen.json)
    finally:
        await runner.cleanup()
    return rate, lines, seen


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--minutes", type=int, default=20)
    arguments.add_argument("--rate", type=float, default=0, help="lifecycles a second; 0: half of a warm-up's maximum")
    arguments.add_argument("--json", action="store_true")
    chosen = arguments.parse_args()
    with running_stack(roles=ALL_ROLES, env=ENVIRONMENT) as stack:
        rate, lines, seen = uvloop.run(_run(stack, chosen))
        grown = growth(lines)
        flat = all(size <= GROWTH_MB for name, size in grown.items() if name not in ("kafka", "postgres", "redis"))
        whole = verify(stack)
    good = flat and whole and not seen.bad
    if chosen.json:
        print(json.dumps({"rate": rate, "ok": good, "growth_mb": grown, "bad": seen.bad[:20],
                          "minutes": [asdict(line) for line in lines]}))  # fmt: skip
    else:
        print(f"grown by, MB: {'  '.join(f'{name} {size:+d}' for name, size in grown.items())}")
        print(f"left out for too many in flight: {seen.left_out}; 5xx or broken: {len(seen.bad)} {seen.bad[:5]}")
        print("soak passed" if good else "soak FAILED")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
