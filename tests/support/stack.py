"""A whole gateway for tests: the code of `gateway up`, on free ports, in a run directory of its own.

    with running_stack() as services:                      PostgreSQL, Redis, Kafka; migrated, topics, seeded
    with running_stack(roles=ALL_ROLES) as stack:          and the roles, ready

It works beside a running `make up` and ignores the shell's own settings. When the test process ends, however it ends,
the kernel ends the runner, and with it everything the runner started.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

from ops.console.environment import OPERATIONS_VARIABLES, OWN_SERVICES, StackPlan, plan_stack
from ops.stack import control
from ops.stack.install import install_missing
from ops.stack.launch import start_runner, stop_runner
from ops.stack.pages_build import build_pages
from ops.stack.ports import is_free
from ops.stack.prepare import run_migrations, run_seed, run_topics
from ops.stack.up import wait_until_ready
from runtime.roles import ROLES
from runtime.settings import Settings

ALL_ROLES = tuple(role for role in ROLES if role != "pages")
"""The pages need a build: `stack.start_pages()`."""
DEFAULTS = {"TEST_PROCESSING_DELAY": "100", "LOG_LEVEL": "info"}
FIRST_BLOCK, LAST_BLOCK, BLOCK = 10_000, 19_900, 100
"""Blocks of ports below the kernel's range for outgoing connections, which could take one in between."""


class Stack:
    """A running stack. Names are roles (`payments`), single workers (`payments-0`) or services (`kafka`)."""

    def __init__(self, plan: StackPlan) -> None:
        self.plan = plan
        self.env: Mapping[str, str] = plan.environment
        self.settings = settings_of(plan.environment)
        self.api_url = f"http://127.0.0.1:{plan.ports['PORT']}"
        self.checkout_url = f"http://localhost:{plan.ports['CHECKOUT_PORT']}"
        self.dashboard_url = f"http://localhost:{plan.ports['DASHBOARD_PORT']}"
        self.database_url = self.settings.database_url.get_secret_value()
        self.redis_url = self.settings.redis_url.get_secret_value()
        self.kafka_bootstrap_servers = self.settings.kafka_bootstrap_servers

    def kill(self, role: str, index: int | None = 0, signal: signal.Signals = signal.SIGKILL) -> list[int]:
        """Send a signal to one worker (`index=None`: to all of the role); the process ids it went to."""
        name = role if index is None else f"{role}-{index}"
        return list(self.call("signal", name=name, number=int(signal)))

    def freeze(self, name: str) -> None:
        """SIGSTOP: alive but silent, like a machine that hangs."""
        self.call("signal", name=name, number=int(signal.SIGSTOP))

    def thaw(self, name: str) -> None:
        self.call("signal", name=name, number=int(signal.SIGCONT))

    def restart(self, name: str, mode: str = "kill") -> float:
        """End it (kafka, redis: kill, term; postgres: fast, immediate, kill) and wait until it serves; seconds."""
        return float(self.call("restart", name=name, mode=mode))

    def hold(self, name: str, mode: str = "term") -> None:
        """Stop it (`kill`: by SIGKILL) and leave it down until `release`."""
        self.call("hold", name=name, mode=mode)

    def release(self, name: str) -> None:
        self.call("release", name=name)

    def start(self, *roles: str) -> None:
        """Start more roles and wait until every process is ready."""
        self.call("start_roles", roles=list(roles))
        wait_until_ready(self.plan)

    def start_pages(self) -> None:
        """Build what is stale and serve it."""
        build_pages()
        self.start("pages")

    def wait_until_ready(self) -> None:
        wait_until_ready(self.plan)

    def processes(self) -> dict[str, dict[str, Any]]:
        """Worker or service name -> pid, state, restarts, exit_code."""
        return {child["name"]: child for child in self.call("status")["children"]}

    def logs(self, name: str) -> str:
        """Everything that a role's workers or a service have logged."""
        paths = [*self.plan.logs_dir.glob(f"{name}.log"), *sorted(self.plan.logs_dir.glob(f"{name}-[0-9]*.log"))]
        return "".join(path.read_text(encoding="utf-8", errors="replace") for path in paths)

    def metrics_url(self, role: str, index: int = 0) -> str:
        return f"http://127.0.0.1:{self.plan.metrics_port(role, index)}"

    def call(self, do: str, **arguments: Any) -> Any:
        """Any request of the runner (ops/stack/runner.py)."""
        return control.call(self.plan.run_dir, do, **arguments)


@contextlib.contextmanager
def running_stack(
    *,
    roles: tuple[str, ...] = (),
    env: Mapping[str, str] | None = None,
    failed: Callable[[], bool] = lambda: False,
    prepared: bool = True,
) -> Iterator[Stack]:
    """Start services, prepare them, start `roles` and wait until they are ready; end all of it afterwards.

    `env` adds to the roles' settings. The logs are kept where `failed()` says so at the end. `prepared` False: without
    tables and topics, for whoever makes those of another version.
    """
    with ports_and_folder(failed) as (ports, run_dir):
        plan = plan_stack({**_clean_environment(), **(env or {}), **ports, "GATEWAY_RUN_DIR": str(run_dir)})
        install_missing(plan)
        runner = start_runner(plan, die_with_us=True)
        try:
            control.call(plan.run_dir, "start_services", timeout=180.0)
            stack = Stack(plan)
            if prepared:
                _apart(lambda: _prepare(stack.settings))
            if roles:
                stack.start(*roles)
            yield stack
        finally:
            end_runner(plan, runner)


def end_runner(plan: StackPlan, runner: subprocess.Popen[bytes]) -> None:
    """Politely, then for certain. The runner is our child: its end is waited for, so no zombie stays."""
    try:
        stop_runner(plan)
        runner.wait(timeout=30)
    finally:
        runner.kill()
        runner.wait(timeout=30)


@contextlib.contextmanager
def ports_and_folder(failed: Callable[[], bool] = lambda: False) -> Iterator[tuple[dict[str, str], Path]]:
    """A block of free ports and a fresh run directory that PostgreSQL's account can reach."""
    with claimed_ports() as ports:
        run_dir = Path(tempfile.mkdtemp(prefix="gateway-test-"))
        run_dir.chmod(0o755)
        try:
            yield ports, run_dir
        finally:
            _remove(run_dir, keep_logs=failed())


@contextlib.contextmanager
def claimed_ports() -> Iterator[dict[str, str]]:
    """Variable -> port, all in one block. Holding the block's last port keeps other test runs out of it."""
    blocks = list(range(FIRST_BLOCK, LAST_BLOCK, BLOCK))
    random.shuffle(blocks)
    for base in blocks:
        with socket.socket() as claim:
            try:
                claim.bind(("127.0.0.1", base + BLOCK - 1))
            except OSError:
                continue
            if all(is_free(port) for port in range(base, base + BLOCK - 1)):
                yield _block(base)
                return
    raise RuntimeError("no block of free ports is left")


def settings_of(environment: Mapping[str, str]) -> Settings:
    """The settings that a process with this environment would read."""
    with mock.patch.dict(os.environ, dict(environment), clear=True):
        return Settings()


def _block(base: int) -> dict[str, str]:
    offsets = {
        "PORT": 0, "CHECKOUT_PORT": 1, "DASHBOARD_PORT": 2, "REDIS_PORT": 4, "KAFKA_PORT": 5,
        "KAFKA_CONTROLLER_PORT": 6, "METRICS_PORT": 12, "POSTGRES_PORT": 84, "PATRONI_PORT": 87, "ETCD_PORT": 90,
    }  # fmt: skip
    return {name: str(base + offset) for name, offset in offsets.items()}


def _clean_environment() -> dict[str, str]:
    """The process's environment without what configures a gateway, but for a processing delay that was asked for."""
    ours = {name.upper() for name in Settings.model_fields} | {*OPERATIONS_VARIABLES, OWN_SERVICES}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return kept | DEFAULTS | {name: os.environ[name] for name in DEFAULTS if name in os.environ}


def _prepare(settings: Settings) -> None:
    run_migrations(settings)
    run_topics(settings)
    run_seed(settings)


def _apart(work: Callable[[], None]) -> None:
    """In a thread: these functions run event loops of their own, which must not be the tests'."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(work).result()


def _remove(run_dir: Path, *, keep_logs: bool) -> None:
    if not keep_logs:
        shutil.rmtree(run_dir, ignore_errors=True)
        return
    for folder in (run_dir / "postgres", run_dir / "redis", *run_dir.glob("kafka*")):
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\nThe logs of this run's stack are in {run_dir}/logs")
