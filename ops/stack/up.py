"""`gateway up`: from a bare machine to a paid order, one line for each step.

    ports -> install -> runner -> services -> migrate -> topics -> seed -> pages -> roles -> ready -> smoke payment

Every step is idempotent, so a second `up` completes what is missing and checks the rest.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from ops.console.environment import StackPlan, enter, local_plan, plan_stack
from ops.console.errors import GatewayError
from ops.console.local_http import call
from ops.console.progress import console, step
from ops.stack import control
from ops.stack.install import install_missing
from ops.stack.launch import start_runner
from ops.stack.pages_build import build_pages
from ops.stack.ports import clashes
from ops.stack.prepare import run_migrations, run_seed, run_topics
from ops.stack.processes import tail
from ops.stack.smoke import pay_once
from ops.stack.stack_report import collect, urls
from ops.stack.workers import known_role
from runtime.roles import ROLES
from runtime.settings import Settings

READY_SECONDS = 120.0
RESTARTS_MAX = 4
"""A worker that died this often while the stack came up will not come up."""


def up(
    smoke: Annotated[bool, typer.Option(help="Make a test payment at the end.")] = True,
    pages: Annotated[bool, typer.Option(help="Build and serve the pages.")] = True,
    services_only: Annotated[
        bool, typer.Option("--services-only", help="Start only the services, migrated and seeded.")
    ] = False,
    role: Annotated[
        list[str] | None, typer.Option(help="Start only this role (repeatable), without the test payment.")
    ] = None,
) -> None:
    """Start the whole stack and make a test payment."""
    began = time.monotonic()
    plan = local_plan()
    settings = enter(plan)
    roles = _chosen(role or [], pages=pages, services_only=services_only)
    if control.is_running(plan.run_dir):
        _check_same_ports(plan)
        console.print("The gateway is already running; checking it.")
    else:
        _begin(plan, roles)
    bring_up(plan, settings, roles)
    if smoke and not role and not services_only:
        _smoke(settings)
    console.print(f"Up in {time.monotonic() - began:.1f} s. Data and logs are in {plan.run_dir}.")
    if roles:
        _print_urls(plan)


def _chosen(only: list[str], *, pages: bool, services_only: bool) -> tuple[str, ...]:
    if services_only:
        return ()
    return tuple(map(known_role, only)) or tuple(role for role in ROLES if pages or role != "pages")


def bring_up(plan: StackPlan, settings: Settings, roles: tuple[str, ...]) -> None:
    """With a runner in place: services, schema, topics, pages, roles, until everything responds."""
    with step("services") as current:
        control.call(plan.run_dir, "start_services", timeout=180.0)
        current.note(_services_note(plan))
    with step("migrate") as current:
        current.note(_listed(run_migrations(settings, report=console.print), "nothing to apply"))
    with step("topics") as current:
        current.note(_listed(run_topics(settings), "all there", what="created or altered"))
    if settings.test_mode:
        with step("seed") as current:
            run_seed(settings)
            current.note(f"merchant test_merchant, key {settings.test_api_key}")
    if "pages" in roles:
        with step("pages") as current:
            current.note(build_pages())
    if roles:
        with step("roles") as current:
            current.note(f"{len(control.call(plan.run_dir, 'start_roles', roles=list(roles)))} processes")
        with step("ready") as current:
            wait_until_ready(plan)
            current.note("every process responds")


def wait_until_ready(plan: StackPlan) -> None:
    """Until every worker's own /health is good, the API's with a running payment worker included where it runs.

    A worker that keeps dying ends the wait with its last output.
    """
    limit = time.monotonic() + READY_SECONDS
    while True:
        waiting = _not_ready(plan)
        if not waiting:
            return
        if time.monotonic() > limit:
            raise GatewayError(f"Not ready within {READY_SECONDS:.0f} s: {'; '.join(waiting)}. See `make status`.")
        time.sleep(0.1)


def _not_ready(plan: StackPlan) -> list[str]:
    """The reason why it is not ready yet. Raises GatewayError for a worker that will not come up."""
    children = collect(plan)["children"]
    for child in children:
        if child["state"] != "running" and child["restarts"] >= RESTARTS_MAX:
            last = "\n  ".join(tail(Path(child["log"]), 6))
            raise GatewayError(
                f"{child['name']} keeps exiting with code {child['exit_code']}. Its last output:\n  {last}"
            )
    waiting = [f"{child['name']} {child['health']}" for child in children if child["health"] != "ok"]
    if not waiting and any(child["name"].startswith("api-") for child in children):
        return _api_problems(plan)
    return waiting


def _api_problems(plan: StackPlan) -> list[str]:
    try:
        response = call("GET", f"http://127.0.0.1:{plan.ports['PORT']}/health", timeout=5.0)
    except GatewayError as error:
        return [str(error)]
    return [] if response.status == 200 else [f"the API says {response.body}"]


def _begin(plan: StackPlan, roles: tuple[str, ...]) -> None:
    taken = clashes(plan.ports_to_take(roles), plan.host)
    if taken:
        raise GatewayError("\n".join(taken))
    with step("install") as current:
        current.note("; ".join(install_missing(plan)) or "all there")
    start_runner(plan)


def _check_same_ports(plan: StackPlan) -> None:
    running = control.call(plan.run_dir, "status")["ports"]
    moved = [name for name, port in plan.ports.items() if running[name] != port]
    if moved:
        raise GatewayError(
            f"The running stack uses different ports ({', '.join(moved)}); stop it with `make down` first."
        )


def _smoke(settings: Settings) -> None:
    console.print("Smoke payment over HTTP:")
    for happened in pay_once(settings):
        console.print(f"    {happened.text:<66} {happened.milliseconds:7.1f} ms")


def _print_urls(plan: StackPlan) -> None:
    running = plan_stack(plan.given)
    for name, url in urls(running).items():
        console.print(f"  {name:<18} {url}")
    if running.environment.get("TEST_MODE", "").lower() in ("true", "1", "yes", "on"):
        console.print("  Test merchant      test@example.com / password123")


def _services_note(plan: StackPlan) -> str:
    ports = {"postgres": "POSTGRES_PORT", "redis": "REDIS_PORT", "kafka": "KAFKA_PORT"}
    own = [f"{name} :{plan.ports[port]}" for name, port in ports.items() if name not in plan.external]
    if plan.postgres_nodes > 1:
        own.append(f"{plan.postgres_nodes} PostgreSQL under Patroni")
    if plan.kafka_brokers > 1:
        own.append(f"{plan.kafka_brokers} brokers")
    return ", ".join([*own, *(f"{name} as given" for name in sorted(plan.external))])


def _listed(names: list[str], nothing: str, *, what: str = "new") -> str:
    return f"{len(names)} {what}" if names else nothing
