"""`gateway replay`: replays every event of a period to a webhook endpoint, as a job that survives any crash.

    gateway replay whe_… --since 2h              only shows how many
    gateway replay whe_… --since 2h --apply      opens the job and shows how far it is
    gateway replay job_…                         shows how far that job is

The forwarder does the work at its bounded rate, so this command may be interrupted at any moment. Event ids stay, so a
receiver recognises what it has seen. Dead letters have their own command: `gateway dlq replay`.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ops.console.errors import GatewayError
from ops.console.exit_codes import UsageError, run
from ops.console.names import parse_instant
from ops.console.output import Json, console, print_json
from runtime.clock import make_id, now
from runtime.settings import Settings
from store.connections import make_pool
from store.driver import Pool
from store.webhooks.jobs import (
    JOB,
    REPLAY,
    Job,
    Period,
    count_replay,
    find_any_job,
    merchant_of,
    open_job,
    target_of,
)

POLL_SECONDS = 0.25
STALLED_SECONDS_MAX = 60.0
ENDED = ("done", "failed")


def replay(
    subject: Annotated[str, typer.Argument(metavar="ENDPOINT|JOB", help="An endpoint (whe_…), or a job to follow.")],
    since: Annotated[str, typer.Option("--since", help="Events since 10m, 2h ago or an instant.")] = "1h",
    until: Annotated[
        str | None, typer.Option("--until", help="Events before 10m, 2h ago or an instant; default: now.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Send the events; without it, only count them.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Do not wait for the job to finish.")] = False,
    as_json: Json = False,
) -> None:
    """Replay events from a period to a webhook endpoint. Dry run unless --apply."""
    begins_at, ends_at = parse_instant(since), parse_instant(until) if until else now()
    if begins_at >= ends_at:
        raise UsageError("--since must be before --until.")

    async def work(settings: Settings) -> None:
        pool = await make_pool(settings, size=1)
        try:
            job: Job | None
            if subject.startswith(JOB):
                job = await _known(pool, subject)
            else:
                job = await _opened(pool, Period(subject, begins_at, ends_at), apply=apply, as_json=as_json)
            if job is not None:
                await _follow(pool, job, wait=not detach, as_json=as_json)
        finally:
            await pool.close()

    run(work)


async def _known(pool: Pool, job_id: str) -> Job:
    job = await find_any_job(pool, job_id)
    if job is None:
        raise UsageError(
            f"There is no job {job_id!r}; `gateway replay ENDPOINT --since … --apply` prints the id of its job."
        )
    return job


async def _opened(pool: Pool, period: Period, *, apply: bool, as_json: bool) -> Job | None:
    """The new job; None after a dry run, which is printed."""
    merchant_id = await merchant_of(pool, period.endpoint_id)
    target = await target_of(pool, merchant_id, period.endpoint_id) if merchant_id else None
    if target is None or merchant_id is None:
        raise UsageError(f"There is no endpoint {period.endpoint_id!r}; `gateway stuck` and the dashboard name them.")
    matching = await count_replay(pool, target, period)
    if apply:
        return await open_job(
            pool, job_id=make_id(JOB), merchant_id=merchant_id, kind=REPLAY, filters=period, total=matching
        )
    if as_json:
        print_json(
            {"endpoint_id": period.endpoint_id, "from": period.begins_at, "to": period.ends_at, "matching": matching}
        )
    else:
        events = "event" if matching == 1 else "events"
        console.print(f"{matching} {events} from {_short(period.begins_at)} to {_short(period.ends_at)} would go to")
        console.print(f"{period.endpoint_id} of {merchant_id}; nothing was sent. Add --apply to send.")
    return None


async def _follow(pool: Pool, job: Job, *, wait: bool, as_json: bool) -> None:
    """Print the job, with `wait` at its end. Raises GatewayError if it failed or makes no progress."""
    if wait and job.state not in ENDED:
        job = await _followed(pool, job, quiet=as_json)
    if as_json:
        print_json({"job_id": job.id, "state": job.state, "total": job.total, "done": job.done})
    else:
        console.print(f"{job.id}  {job.state}, {job.done} of {job.total} deliveries reopened")
    if job.state == "failed":
        raise GatewayError(f"{job.id} stopped: its endpoint was deleted. Replay to another endpoint.")


async def _followed(pool: Pool, job: Job, *, quiet: bool) -> Job:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet) as progress:
        bar = progress.add_task(job.id, total=max(job.total, 1), completed=job.done)
        moved_at = asyncio.get_running_loop().time()
        while job.state not in ENDED:
            await asyncio.sleep(POLL_SECONDS)
            latest = await _known(pool, job.id)
            if (latest.done, latest.state) != (job.done, job.state):
                moved_at = asyncio.get_running_loop().time()
            elif asyncio.get_running_loop().time() - moved_at > STALLED_SECONDS_MAX:
                raise GatewayError(
                    f"{job.id} has made no progress for {STALLED_SECONDS_MAX:.0f} s; see `gateway health`."
                )
            job = latest
            progress.update(bar, completed=job.done)
    return job


def _short(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"
