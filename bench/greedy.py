"""`python -m bench.greedy KIND`: a merchant at full speed, until SIGTERM; then its responses as JSON.

    orders, lookups    requests on CONNECTIONS connections, the next as soon as the last is answered, however that is
    feeds              FEEDS live feeds at once, each again after a second where it is refused

Who and where by GREEDY_URL, GREEDY_KEY and GREEDY_SECRET. A process of its own: in the measuring process, its work
would delay the clock of the others.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Literal

import orjson
import uvloop

from bench.http import Target, connect
from bench.load import ORDER, ORDERS
from tests.support.api import Api

Kind = Literal["orders", "look-ups", "feeds"]

CONNECTIONS = 16
FEEDS = 1_000
LOOK_UP = "/api/v1/payments?limit=20"
FEED = "/api/v1/merchants/me/stream"
AGAIN_SECONDS = 1.0
STOP_SECONDS = 10.0


def target_of(api: Api) -> Target:
    """The API with this merchant's credentials."""
    return Target.of(api.url, {"X-Api-Key": api.key, "X-Api-Secret": api.secret})


@asynccontextmanager
async def greedy(kind: Kind, api: Api) -> AsyncIterator[Counter[int]]:
    """This merchant at full speed for as long as the block runs; its responses by status afterwards."""
    statuses: Counter[int] = Counter()
    who = {"GREEDY_URL": api.url, "GREEDY_KEY": api.key, "GREEDY_SECRET": api.secret}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.greedy", kind, env={**os.environ, **who}, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        await asyncio.wait_for(process.stdout.readline(), STOP_SECONDS)  # it has begun
        yield statuses
    finally:
        process.terminate()
        output, _ = await asyncio.wait_for(process.communicate(), STOP_SECONDS)
        statuses.update({int(status): count for status, count in orjson.loads(output).items()})


async def _take(kind: Kind, target: Target) -> Counter[int]:
    """Until SIGTERM."""
    statuses: Counter[int] = Counter()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    tasks = [asyncio.create_task(one) for one in _work(kind, target, statuses)]
    print("begun", flush=True)
    await stopped.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return statuses


def _work(kind: Kind, target: Target, statuses: Counter[int]) -> list[Coroutine[Any, Any, None]]:
    match kind:
        case "orders":
            return [_request(target, target.post(ORDERS, ORDER), statuses) for _ in range(CONNECTIONS)]
        case "look-ups":
            return [_request(target, target.get(LOOK_UP), statuses) for _ in range(CONNECTIONS)]
        case "feeds":
            return [_follow(target, statuses) for _ in range(FEEDS)]


async def _request(target: Target, request: bytes, statuses: Counter[int]) -> None:
    connection = await connect(target)
    while True:
        status, _ = await connection.request(request)
        statuses[status] += 1


async def _follow(target: Target, statuses: Counter[int]) -> None:
    while True:
        connection = await connect(target)
        status, _ = await connection.request(target.get(FEED))  # a stream has no length: only its head is read
        statuses[status] += 1
        if status == 200:
            await asyncio.Event().wait()
        connection.close()
        await asyncio.sleep(AGAIN_SECONDS)


if __name__ == "__main__":
    place = Target.of(
        os.environ["GREEDY_URL"], {"X-Api-Key": os.environ["GREEDY_KEY"], "X-Api-Secret": os.environ["GREEDY_SECRET"]}
    )
    print(orjson.dumps(uvloop.run(_take(sys.argv[1], place)), option=orjson.OPT_NON_STR_KEYS).decode())  # type: ignore[arg-type]  # one of Kind
