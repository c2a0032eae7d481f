"""The local runner's report of its processes, with each one's memory and health, and the addresses of pages and API."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ops.console.environment import StackPlan, plan_stack
from ops.console.errors import GatewayError
from ops.console.local_http import call
from ops.stack import control
from ops.stack.processes import is_alive, memory_mb
from runtime.roles import ROLES


def collect(plan: StackPlan) -> dict[str, Any]:
    """The runner's state with each process's memory and health added. Raises RunnerNotRunningError."""
    state: dict[str, Any] = control.call(plan.run_dir, "status", timeout=10.0)
    running = plan_stack({**plan.given, **{name: str(port) for name, port in state["ports"].items()}})
    with ThreadPoolExecutor(max_workers=16) as pool:
        health = list(pool.map(lambda child: _health(running, child), state["children"]))
    for child, health_of in zip(state["children"], health, strict=True):
        child["health"] = health_of
        child["memory_mb"] = round(memory_mb(child["pid"]), 1) if child["pid"] else 0.0
        child["module"] = ROLES[_role(child)].module if _role(child) in ROLES else None
    state["urls"] = urls(running)
    state["healthy"] = all(child["health"] == "ok" for child in state["children"])
    return state


def urls(plan: StackPlan) -> dict[str, str]:
    """Where the pages and the API are."""
    return {
        "API": plan.environment["API_URL"],
        "API documentation": f"{plan.environment['API_URL']}/docs",
        "Checkout": f"{plan.environment['CHECKOUT_URL']}/checkout",
        "Dashboard": plan.environment["DASHBOARD_URL"],
    }


def _health(plan: StackPlan, child: dict[str, Any]) -> str:
    """`ok`, or a word for the problem."""
    if child["state"] != "running" or not child["pid"] or not is_alive(child["pid"]):
        code = child["exit_code"]
        return child["state"] if code is None else f"failing (exit code {code})"
    if _role(child) not in ROLES:
        return "ok"
    port = plan.metrics_port(_role(child), int(child["name"].rpartition("-")[2]))
    if not port:
        return "ok"
    try:
        response = call("GET", f"http://{plan.environment.get('METRICS_HOST', '127.0.0.1')}:{port}/health", timeout=2.0)
    except GatewayError:
        return "no answer"
    return "ok" if response.status == 200 else f"unhealthy ({response.status})"


def _role(child: dict[str, Any]) -> str:
    return str(child["name"]).rpartition("-")[0]
