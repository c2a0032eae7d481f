"""Records commands that change something in the operator's chain of the audit log, before they run."""

from __future__ import annotations

import getpass
import socket

from domain.audited import Action
from runtime.clock import now
from runtime.settings import Settings
from store.accounts.audit_log import OPERATOR, Doing, Values, Witness
from store.connections import make_pool
from store.driver import Pool


def operator() -> str:
    """The operator: `name@host`."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


async def note_command(settings: Settings, command: str, details: Values, pool: Pool | None = None) -> None:
    """`command`: as it is typed, `dlq replay`. Raises the database's errors: then the command must not continue."""
    doing = Doing(OPERATOR, f"{OPERATOR} {operator()}", Action.COMMAND_RUN, "", None, now())
    witness = Witness(doing, settings.keys)
    if pool is not None:
        await witness.attest_alone(pool, command, after=details)
        return
    own = await make_pool(settings, size=1)
    try:
        await witness.attest_alone(own, command, after=details)
    finally:
        await own.close()
