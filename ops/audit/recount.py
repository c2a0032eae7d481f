"""`gateway recount`: the analytics again from the events, for one merchant or for all; the jobs role counts."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from ops.console.environment import enter, single_plan
from ops.console.errors import GatewayError
from ops.console.exit_codes import NEXT_STEP
from ops.console.noted import note_command
from runtime.settings import Settings
from store.analytics.rollups import counted_merchants, forget
from store.connections import make_pool
from store.errors import DatabaseError


def recount(merchant_id: Annotated[str, typer.Argument(help="One merchant; default: all.")] = "") -> None:
    """Drop the analytics totals so that the jobs role recounts them. Until it is done they are too low."""
    settings = enter(single_plan())
    try:
        dropped = asyncio.run(_drop(settings, merchant_id))
    except DatabaseError as error:
        raise GatewayError(
            f"Some analytics could not be dropped: {type(error).__name__}: {error}. {NEXT_STEP}"
        ) from error
    print(f"To be counted again by the jobs role: {dropped} merchants")


async def _drop(settings: Settings, merchant_id: str) -> int:
    pool = await make_pool(settings, size=1)
    try:
        await note_command(settings, "recount", {"merchant_id": merchant_id or "all"}, pool)
        merchants = [merchant_id] if merchant_id else await counted_merchants(pool)
        return sum([await forget(pool, each) for each in merchants])
    finally:
        await pool.close()
