"""The `gateway` command against a test's stack: run to its end, or started and killed."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass

from ops.console.environment import OWN_SERVICES
from tests.support.stack import Stack

SECONDS_MAX = 90.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


async def started_gateway(stack: Stack, *arguments: str, **env: str) -> Process:
    """A running command whose standard output and error can be read."""
    environment = {**os.environ, **stack.env, **env}
    if env:
        environment[OWN_SERVICES] = ""  # else addresses would be derived anew, whatever is given here
    command = (sys.executable, "-m", "ops.cli", *arguments)
    return await asyncio.create_subprocess_exec(*command, env=environment, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)


async def gateway(stack: Stack, *arguments: str, **env: str) -> Ended:
    """Run to the end, at most SECONDS_MAX."""
    process = await started_gateway(stack, *arguments, **env)
    async with asyncio.timeout(SECONDS_MAX):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())
