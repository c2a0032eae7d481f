"""PostgreSQL as one of several nodes under Patroni: one accepts writes, one has each commit before it is confirmed.

    etcd: which node is the primary?  ◄── each node's Patroni, every 2 s ──►  its own PostgreSQL
    primary dies ─► its lease ends (at most 20 s) ─► the synchronous standby is promoted ─► the other one follows it

A node dies as a container does: when its Patroni is killed, its PostgreSQL is killed too (bound_postgres.py).
"""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ops.console.environment import DATABASE_NAME, DATABASE_PASSWORD, DATABASE_USER, ETCD_MEMBERS, StackPlan
from ops.console.local_http import call
from ops.stack.processes import Command
from ops.stack.services.base import check_listening
from ops.stack.services.etcd import client_url
from ops.stack.services.postgres import SYSTEM_USER, make_home, postgres_environment, programs_dir, system_user
from ops.stack.supervisor import Supervisor
from store.driver import connect

BOUND_POSTGRES = Path(__file__).with_name("bound_postgres.py")
PROBE_SECONDS = 2.0
LEASE: dict[str, Any] = {
    # Patroni's smallest: a machine that died is missed after 20 s.
    "ttl": 20,
    "loop_wait": 2,
    "retry_timeout": 5,
    # A PostgreSQL that died alone is not restarted in place: the standby has everything and takes over.
    "primary_start_timeout": 0,
    # A commit is confirmed once the standby has it on disk. Without a standby the primary continues alone.
    "synchronous_mode": True,
}
PARAMETERS: dict[str, Any] = {
    "max_connections": 200,
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "wal_compression": "on",
    "max_wal_size": "1GB",
    "jit": "off",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "lc_messages": "C",
    "unix_socket_directories": "",
}
ACCESS = ("host replication replicator 127.0.0.1/32 scram-sha-256", "host all all 127.0.0.1/32 scram-sha-256")
FIRST_STATEMENTS = f"""\
#!/bin/sh
exec psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 \\
  --command "CREATE ROLE {DATABASE_USER} LOGIN PASSWORD '{DATABASE_PASSWORD}'" \\
  --command "CREATE DATABASE {DATABASE_NAME} OWNER {DATABASE_USER} ENCODING 'UTF8' TEMPLATE template0" "$1"
"""


class PatroniService:
    """Node `number`, from 1 on; the first is called `postgres`, the others `postgres-2`, `postgres-3`."""

    title = "PostgreSQL under Patroni"
    restart_modes: Mapping[str, signal.Signals] = {"kill": signal.SIGKILL, "term": signal.SIGTERM}

    def __init__(self, plan: StackPlan, number: int) -> None:
        self.name = node_name(number)
        self._plan = plan
        self._number = number
        self._user = system_user()
        self._home = plan.run_dir / f"patroni-{number}"
        self._port = plan.ports_of("POSTGRES_PORT")[number - 1]

    async def prepare(self, _supervisor: Supervisor) -> None:
        make_home(self._home, self._user)
        home = self._home.resolve()
        (home / "bin").mkdir(exist_ok=True)
        for program in programs_dir().iterdir():
            link = home / "bin" / ("real-postgres" if program.name == "postgres" else program.name)
            link.unlink(missing_ok=True)
            link.symlink_to(program)
        _write(home / "bin" / "postgres", BOUND_POSTGRES.read_text(encoding="utf-8"), self._user, mode=0o755)
        _write(home / "first-statements", FIRST_STATEMENTS, self._user, mode=0o755)
        _write(home / "patroni.json", json.dumps(self._configuration(home), indent=1), self._user, mode=0o600)

    def command(self) -> Command:
        home = self._home.resolve()
        program = shutil.which("patroni") or "patroni"
        return Command(
            name=self.name,
            # what is bound to this process finds its id in the file
            argv=("/bin/sh", "-c", 'echo $$ > node.pid; exec "$0" patroni.json', program),
            environment=postgres_environment(self._plan, self._home),
            cwd=home,
            log=self._plan.logs_dir / f"{self.name}.log",
            user=self._user,
            stop_seconds=20.0,
        )

    async def probe(self) -> None:
        """This node's PostgreSQL runs, and one of the nodes accepts writes."""
        await check_listening("127.0.0.1", self._port)
        response = await asyncio.to_thread(call, "GET", f"{node_url(self._plan, self._number)}/health")
        if response.status != 200:
            raise ConnectionError(f"Patroni returned {response.status}")
        connection = await connect(self._plan.environment["DATABASE_URL"], timeout=PROBE_SECONDS)
        try:
            await connection.ping(timeout=PROBE_SECONDS)
        finally:
            connection.terminate()

    def _configuration(self, home: Path) -> dict[str, Any]:
        plan, password = self._plan, _password(self._plan)
        rest = node_url(plan, self._number).removeprefix("http://")
        etcd = [client_url(plan, member).removeprefix("http://") for member in range(1, ETCD_MEMBERS + 1)]
        return {
            "scope": "payment-gateway",
            "name": self.name,
            "restapi": {"listen": rest, "connect_address": rest},
            "etcd3": {"hosts": etcd},
            "bootstrap": {
                "dcs": {**LEASE, "postgresql": {"use_pg_rewind": True, "use_slots": True, "parameters": PARAMETERS}},
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "data-checksums"],
                "post_init": str(home / "first-statements"),
            },
            "postgresql": {
                "listen": f"127.0.0.1:{self._port}",
                "connect_address": f"127.0.0.1:{self._port}",
                "data_dir": str(home / "data"),
                "bin_dir": str(home / "bin"),
                "pgpass": str(home / "pgpass"),
                "pg_hba": list(ACCESS),
                # a standby is copied at once, not after the minutes that a checkpoint is spread over
                "basebackup": [{"checkpoint": "fast"}],
                "authentication": {
                    "superuser": {"username": SYSTEM_USER, "password": password},
                    "replication": {"username": "replicator", "password": password},
                },
            },
        }


def node_name(number: int) -> str:
    return "postgres" if number == 1 else f"postgres-{number}"


def node_url(plan: StackPlan, number: int) -> str:
    """The address of a node's Patroni."""
    return f"http://127.0.0.1:{plan.ports_of('PATRONI_PORT')[number - 1]}"


def _password(plan: StackPlan) -> str:
    """One for all nodes of a stack, drawn by the first."""
    path = plan.run_dir / "patroni-password"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24), encoding="utf-8")
    return path.read_text(encoding="utf-8")


def _write(path: Path, text: str, user: str | None, *, mode: int) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=mode)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    if user:
        shutil.chown(path, user, user)
