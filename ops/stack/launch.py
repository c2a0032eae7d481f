"""Starting and ending a runner from outside: what `gateway up`, `gateway down` and the tests' stack share."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping

from ops.console.environment import REPOSITORY, StackPlan
from ops.console.errors import GatewayError
from ops.stack import control
from ops.stack.processes import Command, is_alive, spawn, started_ticks, tail

START_SECONDS = 15.0
STOP_SECONDS = 90.0


def start_runner(plan: StackPlan, *, die_with_us: bool = False) -> subprocess.Popen[bytes]:
    """Start a runner and wait until it answers. `die_with_us`: it ends with the calling process (tests)."""
    plan.run_dir.mkdir(parents=True, exist_ok=True)
    command = Command(
        name="runner",
        argv=(sys.executable, "-m", "ops.stack.runner"),
        environment=runner_environment(plan),
        cwd=REPOSITORY,
        log=plan.logs_dir / "runner.log",
    )
    runner = spawn(command, die_with_parent=die_with_us)
    limit = time.monotonic() + START_SECONDS
    while not control.is_running(plan.run_dir):
        if runner.poll() is not None or time.monotonic() > limit:
            raise GatewayError(f"The runner did not start: {' '.join(tail(command.log, 3))} Its log is {command.log}.")
        time.sleep(0.05)
    return runner


def runner_environment(plan: StackPlan) -> Mapping[str, str]:
    """The given variables only: derived ones must not look as if they had been given."""
    return {**plan.given, "GATEWAY_RUN_DIR": str(plan.run_dir), "PYTHONUNBUFFERED": "1"}


def stop_runner(plan: StackPlan) -> bool:
    """Request the end of everything and wait for it. False: nothing was running."""
    try:
        pid = int(control.call(plan.run_dir, "ping", timeout=10.0))
        born = started_ticks(pid)
        control.call(plan.run_dir, "stop", timeout=10.0)
    except control.RunnerNotRunningError:
        return False
    limit = time.monotonic() + STOP_SECONDS
    while is_alive(pid) and started_ticks(pid) == born:
        if time.monotonic() > limit:
            raise GatewayError(
                f"The runner (pid {pid}) did not exit within {STOP_SECONDS:.0f} s; end it with `kill -9 {pid}`."
            )
        time.sleep(0.05)
    return True
