"""Bulk jobs of several merchants: served in turn, and bounded for each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from runtime.clock import make_id
from store.webhooks.jobs import JOB, RETRY, Job, LogFilter, advance, open_job, open_jobs
from tests.support.shop import Shop, open_shop
from tests.support.stack import Stack


@pytest.fixture
async def shops(services: Stack) -> AsyncIterator[tuple[Shop, Shop]]:
    async with open_shop(services.settings) as noisy, open_shop(services.settings) as quiet:
        yield noisy, quiet


async def opened(shop: Shop, open_max: int | None = None) -> Job | None:
    filters = LogFilter(status="failed")
    return await open_job(
        shop.pool,
        job_id=make_id(JOB),
        merchant_id=shop.merchant_id,
        kind=RETRY,
        filters=filters,
        total=1,
        open_max=open_max,
    )


async def served(shop: Shop, merchants: set[str]) -> list[Job]:
    """One round of the forwarder: it serves what other tests left open as well. Returns these merchants' jobs."""
    jobs = await open_jobs(shop.pool)
    for job in jobs:
        await advance(shop.pool, job, state="running", cursor=job.cursor, done=0)
    return [job for job in jobs if job.merchant_id in merchants]


async def test_a_merchant_with_many_jobs_does_not_hold_up_another(shops: tuple[Shop, Shop]) -> None:
    noisy, quiet = shops
    merchants = {noisy.merchant_id, quiet.merchant_id}
    many = {job.id for _ in range(25) if (job := await opened(noisy))}
    one = await opened(quiet)
    assert one is not None
    rounds = [await served(noisy, merchants) for _ in range(25)]
    assert all(one.id in [job.id for job in jobs] for jobs in rounds)
    assert {job.id for jobs in rounds for job in jobs} - {one.id} == many


async def test_a_merchants_open_jobs_are_limited_even_for_concurrent_requests(shops: tuple[Shop, Shop]) -> None:
    noisy, quiet = shops
    made = [job for job in await asyncio.gather(*(opened(noisy, 3) for _ in range(20))) if job]
    assert len(made) == 3
    assert await opened(quiet, 3) is not None
    await advance(noisy.pool, made[0], state="done", cursor=made[0].cursor, done=0)
    assert await opened(noisy, 3) is not None
