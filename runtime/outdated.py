"""Whether a worker waits before a record that a newer version of the gateway wrote (agents/newer.py).

facts[OUTDATED] = "commands/3/1200 has version 2, newer than this version (1)"    in heartbeat and on health page
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OUTDATED = "newer_record"


def is_outdated(facts: Mapping[str, Any]) -> bool:
    """By a worker's facts."""
    return bool(facts.get(OUTDATED))
