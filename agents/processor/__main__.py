"""`python -m agents.processor`: one processor worker, until SIGTERM."""

from __future__ import annotations

from agents.bank import make_bank
from agents.kafka import Kafka
from agents.processor.processor import Processor
from agents.role import Context, run_role
from store.attempts import AttemptStore
from store.connections import make_pool


async def _body(context: Context) -> None:
    settings = context.settings
    store = AttemptStore(await make_pool(settings, size=2, lazy=True))
    await Processor(context, make_bank(settings), Kafka(settings, quarantine=context.quarantine), store).run()


if __name__ == "__main__":
    run_role("processor", _body)
