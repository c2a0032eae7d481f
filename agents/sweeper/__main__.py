"""`python -m agents.sweeper`: one sweeper, until SIGTERM. Several may run: settling twice changes nothing."""

from __future__ import annotations

import asyncio
from functools import partial

from agents.bank import make_opened_bank
from agents.kafka import Kafka
from agents.role import Context, dispensable, run_role
from agents.sweeper.captures import Captures
from agents.sweeper.deadlines import Deadlines
from agents.sweeper.sweeper import Sweeper
from store.connections import make_pool
from store.deadlines import DeadlineStore
from store.questions import QuestionStore
from topics.admin import check_topics
from topics.catalogue import COMMANDS
from topics.reader import oldest_at


async def _body(context: Context) -> None:
    settings = context.settings
    # It prunes the inbox: what a command on the log still needs must stay.
    await check_topics(settings, COMMANDS)
    pool = await make_pool(settings, size=2, lazy=True)
    bank, store = make_opened_bank(settings, pool), QuestionStore(pool)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Sweeper(context, bank, Kafka(settings), store, partial(oldest_at, settings, COMMANDS)).run())
        tasks.create_task(Deadlines(context, Kafka(settings), DeadlineStore(pool)).run())
        if settings.test_mode:
            tasks.create_task(Captures(context, Kafka(settings), pool).run())
        if endpoint := settings.otel_exporter_otlp_endpoint:
            tasks.create_task(dispensable(context, partial(_trace, endpoint), "tracing"))


async def _trace(endpoint: str, context: Context) -> None:
    """The sweeper is the least busy role, so tracing here slows nothing down."""
    from agents.tracing.tracer import Tracer  # noqa: PLC0415  # OpenTelemetry takes memory

    await Tracer(context, endpoint).run()


if __name__ == "__main__":
    run_role("sweeper", _body)
