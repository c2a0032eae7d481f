"""`python -m agents.processor`: one processor worker, until SIGTERM."""

from __future__ import annotations

from agents.bank import make_opened_bank
from agents.kafka import Kafka
from agents.processor.processor import Processor
from agents.role import Context, run_role
from store.attempts import AttemptStore
from store.connections import make_pool


async def _body(context: Context) -> None:
    settings = context.settings
    pool = await make_pool(settings, size=2, lazy=True)
    bank, kafka = make_opened_bank(settings, pool), Kafka(settings, quarantine=context.quarantine)
    await Processor(context, bank, kafka, AttemptStore(pool)).run()


if __name__ == "__main__":
    run_role("processor", _body)
