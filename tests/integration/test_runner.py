"""The runner with a real service under it: dead processes are restarted, and none outlives the runner."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ops.console.environment import StackPlan, plan_stack
from ops.console.errors import GatewayError
from ops.stack import control
from ops.stack.launch import start_runner, stop_runner
from ops.stack.processes import is_alive
from tests.support.eventually import eventually
from tests.support.stack import end_runner, ports_and_folder

Started = tuple[StackPlan, subprocess.Popen[bytes]]


@pytest.fixture
def started() -> Iterator[Started]:
    """A runner that keeps one Redis alive."""
    with ports_and_folder() as (ports, run_dir):
        plan = plan_stack({"PATH": "/usr/bin:/bin", **ports, "GATEWAY_RUN_DIR": str(run_dir)})
        runner = start_runner(plan, die_with_us=True)
        try:
            control.call(plan.run_dir, "start_services", only=["redis"])
            yield plan, runner
        finally:
            end_runner(plan, runner)


def redis(plan: StackPlan) -> dict[str, object]:
    (child,) = control.call(plan.run_dir, "status")["children"]
    return dict(child)


def pid_of(plan: StackPlan) -> int:
    return int(str(redis(plan)["pid"]))


async def test_a_killed_child_is_started_again_at_once(started: Started) -> None:
    plan, _ = started
    first = pid_of(plan)
    assert control.call(plan.run_dir, "signal", name="redis", number=int(signal.SIGKILL)) == [first]
    second = await eventually(lambda: redis(plan)["pid"] not in (None, first) and pid_of(plan), timeout=5)
    assert is_alive(second)
    assert not is_alive(first)
    assert redis(plan)["restarts"] == 1


async def test_a_child_is_restarted_even_if_the_runner_cannot_write(started: Started) -> None:
    plan, _ = started
    first = pid_of(plan)
    (plan.run_dir / "state.tmp").mkdir()  # what root may not write either, as on a full disk
    control.call(plan.run_dir, "signal", name="redis", number=int(signal.SIGKILL))
    await eventually(lambda: redis(plan)["pid"] not in (None, first), timeout=5)


def test_a_restart_returns_when_the_service_responds_again(started: Started) -> None:
    plan, _ = started
    first = pid_of(plan)
    control.call(plan.run_dir, "restart", name="redis", mode="kill")
    assert pid_of(plan) != first
    assert redis(plan)["state"] == "running"


def test_an_unknown_way_to_restart_is_a_sentence(started: Started) -> None:
    plan, _ = started
    with pytest.raises(GatewayError, match="Redis is restarted by kill, term, not gently"):
        control.call(plan.run_dir, "restart", name="redis", mode="gently")


def test_a_held_service_stays_down_until_it_is_released(started: Started) -> None:
    plan, _ = started
    control.call(plan.run_dir, "hold", name="redis")
    assert redis(plan)["state"] == "stopped"
    assert redis(plan)["pid"] is None
    control.call(plan.run_dir, "release", name="redis")
    assert is_alive(pid_of(plan))


def test_a_frozen_child_still_hears_the_stop(started: Started) -> None:
    plan, runner = started
    child = pid_of(plan)
    control.call(plan.run_dir, "signal", name="redis", number=int(signal.SIGSTOP))
    assert stop_runner(plan)
    assert runner.wait(timeout=10) == 0
    assert not is_alive(child)


def test_down_ends_everything_and_a_second_down_finds_nothing(started: Started) -> None:
    plan, runner = started
    child = pid_of(plan)
    assert stop_runner(plan)
    assert not is_alive(child)
    assert runner.wait(timeout=10) == 0
    assert not (plan.run_dir / "state.json").exists()
    assert not stop_runner(plan)


async def test_nothing_outlives_a_killed_runner(started: Started) -> None:
    plan, runner = started
    child = pid_of(plan)
    runner.kill()
    runner.wait(timeout=10)
    await eventually(lambda: not is_alive(child), timeout=5)


def test_a_run_directory_has_one_runner(started: Started) -> None:
    plan, _ = started
    second = subprocess.run(
        [sys.executable, "-m", "ops.stack.runner"],
        env={**plan.given, "GATEWAY_RUN_DIR": str(plan.run_dir)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert second.returncode == 1
    assert "Another runner is using" in second.stderr


def test_a_roles_workers_stand_beside_the_services(started: Started) -> None:
    plan, _ = started
    control.call(plan.run_dir, "start_roles", roles=["sweeper"])
    children = {child["name"]: child for child in control.call(plan.run_dir, "status")["children"]}
    assert set(children) == {"redis", "sweeper-0"}
    with pytest.raises(GatewayError, match="There is no role nobody"):
        control.call(plan.run_dir, "start_roles", roles=["nobody"])
