"""etcd: three members that agree on which PostgreSQL is the primary. Any two of them are enough.

Member `number` listens at ETCD_PORT + 2 × (number − 1) for Patroni, and one port above for the other members.
"""

from __future__ import annotations

import asyncio
import hashlib
import signal
from collections.abc import Mapping

from ops.console.environment import ETCD_MEMBERS, StackPlan
from ops.console.local_http import call
from ops.stack.processes import Command
from ops.stack.services.base import check_listening
from ops.stack.supervisor import Supervisor

HEARTBEAT_MS = 200
ELECTION_MS = 2_000
"""Twice what etcd itself takes: a member whose disk is busy for a second is still a leader."""
PROBE_SECONDS = 2.0


class EtcdService:
    """Member `number`, from 1 on: `etcd`, `etcd-2`, `etcd-3`."""

    title = "etcd"
    restart_modes: Mapping[str, signal.Signals] = {"kill": signal.SIGKILL, "term": signal.SIGTERM}

    def __init__(self, plan: StackPlan, number: int) -> None:
        self.name = member_name(number)
        self._plan = plan
        self._number = number
        self._home = plan.run_dir / self.name

    async def prepare(self, _supervisor: Supervisor) -> None:
        self._home.mkdir(parents=True, exist_ok=True)

    def command(self) -> Command:
        clients, peers = client_url(self._plan, self._number), _peer_url(self._plan, self._number)
        members = range(1, ETCD_MEMBERS + 1)
        return Command(
            name=self.name,
            argv=(
                "etcd",
                f"--name={self.name}",
                f"--data-dir={self._home / 'data'}",
                f"--listen-client-urls={clients}",
                f"--advertise-client-urls={clients}",
                f"--listen-peer-urls={peers}",
                f"--initial-advertise-peer-urls={peers}",
                f"--initial-cluster={','.join(f'{member_name(one)}={_peer_url(self._plan, one)}' for one in members)}",
                # members of two stacks never join each other
                f"--initial-cluster-token={hashlib.sha256(str(self._plan.run_dir).encode()).hexdigest()[:16]}",
                f"--heartbeat-interval={HEARTBEAT_MS}",
                f"--election-timeout={ELECTION_MS}",
                "--logger=zap",
                "--log-level=warn",
            ),
            environment=self._plan.service_environment,
            cwd=self._home,
            log=self._plan.logs_dir / f"{self.name}.log",
        )

    async def probe(self) -> None:
        await check_listening("127.0.0.1", self._plan.ports["ETCD_PORT"] + 2 * (self._number - 1))
        url = f"{client_url(self._plan, self._number)}/health"
        response = await asyncio.to_thread(call, "GET", url, timeout=PROBE_SECONDS)
        if response.status != 200:
            raise ConnectionError(f"{self.name} has no leader")


def member_name(number: int) -> str:
    return "etcd" if number == 1 else f"etcd-{number}"


def client_url(plan: StackPlan, number: int) -> str:
    return f"http://127.0.0.1:{plan.ports['ETCD_PORT'] + 2 * (number - 1)}"


def _peer_url(plan: StackPlan, number: int) -> str:
    return f"http://127.0.0.1:{plan.ports['ETCD_PORT'] + 2 * (number - 1) + 1}"
