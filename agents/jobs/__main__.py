"""`python -m agents.jobs`: one jobs worker, until SIGTERM."""

from __future__ import annotations

import asyncio

from agents.jobs.counters import Jobs
from agents.jobs.feeder import Feeder
from agents.jobs.rollups import Rollups
from agents.kafka import Kafka
from agents.role import Context, run_role
from store.redis.job_counters import JobCounters


async def _body(context: Context) -> None:
    numbered = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(
            Jobs(context, Kafka(context.settings, quarantine=context.quarantine), JobCounters(context.redis)).run()
        )
        tasks.create_task(Feeder(context, numbered).run())
        tasks.create_task(Rollups(context, numbered).run())


if __name__ == "__main__":
    run_role("jobs", _body)
