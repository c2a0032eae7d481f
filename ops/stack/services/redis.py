"""Redis 7 with the append-only file on: at most one second of writes is lost by a power cut, none by SIGKILL."""

from __future__ import annotations

import signal
from collections.abc import Mapping

import redis.asyncio

from ops.console.environment import StackPlan
from ops.stack.processes import Command
from ops.stack.services.base import check_listening
from ops.stack.supervisor import Supervisor

CONFIGURATION = """\
bind 127.0.0.1
port {port}
dir {data}
daemonize no
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
tcp-backlog 511
logfile ""
"""


class RedisService:
    name = "redis"
    title = "Redis"
    restart_modes: Mapping[str, signal.Signals] = {"kill": signal.SIGKILL, "term": signal.SIGTERM}

    def __init__(self, plan: StackPlan) -> None:
        self._plan = plan
        self._port = plan.ports["REDIS_PORT"]
        self._home = plan.run_dir / "redis"

    async def prepare(self, supervisor: Supervisor) -> None:
        data = self._home / "data"
        data.mkdir(parents=True, exist_ok=True)
        (self._home / "redis.conf").write_text(CONFIGURATION.format(port=self._port, data=data), encoding="utf-8")

    def command(self) -> Command:
        return Command(
            name=self.name,
            argv=("redis-server", str(self._home / "redis.conf")),
            environment=self._plan.service_environment,
            cwd=self._home,
            log=self._plan.logs_dir / "redis.log",
        )

    async def probe(self) -> None:
        if self.name not in self._plan.external:
            await check_listening("127.0.0.1", self._port)
        client = redis.asyncio.from_url(self._plan.environment["REDIS_URL"], socket_connect_timeout=2, socket_timeout=2)
        try:
            await client.ping()
        finally:
            await client.aclose()
