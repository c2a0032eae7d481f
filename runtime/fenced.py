"""Whether a payment actor holds partitions closed because PostgreSQL is behind the log (agents/payments/fence.py).

facts[FENCED] = "0, 7"      in a worker's heartbeat and on its health page; absent where every partition is open
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FENCED = "fenced_partitions"
FENCED_BY = "first_unknown_event"
COMMAND = "gateway recover"


def is_fenced(facts: Mapping[str, Any]) -> bool:
    """By a worker's facts."""
    return bool(facts.get(FENCED))
