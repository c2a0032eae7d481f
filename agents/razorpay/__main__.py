"""`python -m agents.razorpay`: one worker, until SIGTERM. Outside test mode there is no double, and it only waits."""

from __future__ import annotations

from agents.kafka import Kafka
from agents.razorpay.follower import Following
from agents.role import Context, run_role
from store.webhooks.pool import make_webhook_pool

IDLE_SECONDS = 5.0


async def _body(context: Context) -> None:
    if not context.settings.test_mode:
        await _idle(context)
        return
    pool = await make_webhook_pool(context.settings, size=1)
    await Following(context, Kafka(context.settings, quarantine=context.quarantine), pool).run()


async def _idle(context: Context) -> None:
    while not context.stopping.is_set():
        context.alive()
        await context.pause(IDLE_SECONDS)


if __name__ == "__main__":
    run_role("razorpay", _body)
