"""One more API process on a running stack, with settings of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx

from tests.support.eventually import eventually
from tests.support.stack import Stack


@asynccontextmanager
async def extra_api(stack: Stack, name: str, settings: Mapping[str, str]) -> AsyncIterator[str]:
    """Its address, once it serves."""
    port = _free_port()
    own = {"PORT": str(port), "METRICS_PORT": "0", "WORKER_ID": name, **settings}
    environment = {**os.environ, **stack.env, **own}
    with (stack.plan.logs_dir / f"{name}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "api", env=environment, stderr=log, stdout=log
        )
        url = f"http://127.0.0.1:{port}"

        async def serves() -> bool:
            try:
                async with httpx.AsyncClient(trust_env=False) as http:
                    return (await http.get(f"{url}/api/v1/test/merchant")).status_code == 200
            except httpx.TransportError:
                return False

        try:
            await eventually(serves, timeout=60, interval=0.2, what=f"the API process {name} to serve")
            yield url
        finally:
            process.terminate()
            await process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return int(unused.getsockname()[1])
