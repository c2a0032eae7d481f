"""What `attempt` asks before it sends what a bank does not know."""

from __future__ import annotations


async def undecided(_attempt_id: str) -> bool:
    """An attempt without an outcome."""
    return False


async def decided(_attempt_id: str) -> bool:
    """An attempt that has its outcome."""
    return True
