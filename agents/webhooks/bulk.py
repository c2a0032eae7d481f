"""The forwarder's bulk jobs: replays and bulk retries, chunk by chunk, at a bounded rate, resumed after any crash."""

from __future__ import annotations

from prometheus_client import Counter

from agents.role import Context
from runtime.logs import get_logger
from store.driver import Pool
from store.errors import DatabaseError, StatementRefusedError
from store.webhooks.jobs import Chunk, Job, advance, next_chunk, open_jobs
from store.webhooks.plan import replay_deliveries
from topics.delivery import delivery_record
from topics.producer import LogProducer

log = get_logger("bulk")

CHUNK = 100
CHUNK_SECONDS = 0.5
"""One chunk for each merchant with open jobs in this time: 200 deliveries a second for each merchant."""
IDLE_SECONDS = 2.0
"""Between two polls for jobs while there are none: how late a job may begin."""
REOPENED = Counter("gateway_webhooks_reopened", "Deliveries opened again by jobs", ["kind"])


class Bulk:
    """Serves merchants in turn, and the jobs of each in turn: neither a long job nor many of them hold up another."""

    def __init__(self, context: Context, pool: Pool, producer: LogProducer) -> None:
        self._context = context
        self._pool = pool
        self._producer = producer

    async def run(self) -> None:
        while not self._context.stopping.is_set():
            jobs: list[Job] = []
            try:
                jobs = await open_jobs(self._pool)
                for job in jobs:
                    await self._step_or_fail(job)
            except DatabaseError as error:
                log.warning("jobs_unavailable", error=repr(error))
            await self._context.pause(CHUNK_SECONDS if jobs else IDLE_SECONDS)

    async def _step_or_fail(self, job: Job) -> None:
        """A defect of one job must not stop the others: that job ends as failed."""
        try:
            await self._step(job)
        except (ValueError, KeyError, StatementRefusedError):
            log.error("job_failed", job_id=job.id, kind=job.kind, exc_info=True)
            await advance(self._pool, job, state="failed", cursor=job.cursor, done=0)

    async def _step(self, job: Job) -> None:
        chunk = await next_chunk(self._pool, job, limit=CHUNK)
        if chunk is None:
            log.warning("job_without_endpoint", job_id=job.id)
            await advance(self._pool, job, state="failed", cursor=job.cursor, done=0)
            return
        for event_id, why in chunk.left_out.items():
            log.warning("event_not_replayed", job_id=job.id, event_id=event_id, error=str(why))
        done = await self._open_again(job, chunk)
        state, cursor = ("done", job.cursor) if chunk.cursor is None else ("running", chunk.cursor)
        await advance(self._pool, job, state=state, cursor=cursor, done=done)
        if chunk.cursor is None:
            log.info("job_done", job_id=job.id, kind=job.kind)

    async def _open_again(self, job: Job, chunk: Chunk) -> int:
        """How many deliveries were opened again or made. One that is still on its way is left alone."""
        at, partitions = self._context.clock.now(), self._context.settings.topic_partitions
        reopened = await replay_deliveries(self._pool, chunk.drafts, at, job_id=job.id)
        records = [delivery_record(due, at=at, partitions=partitions) for due in reopened.dues]
        await self._producer.publish(records)
        REOPENED.labels(job.kind).inc(reopened.count)
        return reopened.count
