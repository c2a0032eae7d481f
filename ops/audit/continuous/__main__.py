"""`python -m ops.audit.continuous`: one auditor, until SIGTERM, at the lowest priority of the machine."""

from __future__ import annotations

import os

from agents.role import Context, run_role
from ops.audit.continuous.auditor import Auditor
from store.connections import make_pool
from store.operations.audits import AuditStore

NICE = 19
"""The kernel gives a busy machine's other processes some seventy times as much."""


async def _body(context: Context) -> None:
    pool = await make_pool(context.settings, size=1, lazy=True, name="auditor")
    await Auditor(context, AuditStore(pool)).run()


if __name__ == "__main__":
    os.nice(NICE)
    run_role("auditor", _body)
