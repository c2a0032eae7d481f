"""`gateway erase`: make the personal fields of orders unreadable, for good.

Exit codes: 0 erased, or it would be; 1 some orders could not be erased, each with its reason; 2 wrong usage; 4 a
service cannot be reached. A dry run unless --yes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from domain.ids import ORDER, is_id
from domain.payer import is_email, normalized_contact
from ops.console.exit_codes import FOUND, UsageError
from ops.console.noted import note_command
from ops.console.output import Json, console, print_json, print_table
from ops.console.pools import run_with_pool
from ops.erasure.erasure import LEFT, Planned, State, erase, erase_again, orders_reached, plan
from runtime.settings import Settings
from store.driver import Pool
from store.operations.erasure import empty_responses
from store.order_keys import FRESH_SECONDS

SUMMARIES = {
    State.READY: "can be erased",
    State.ERASED: "has nothing that can be opened",
    State.OPEN: "has a payment or refund that is not decided yet; try again later",
    State.PAYABLE: "can still be paid; cancel it first (POST /orders/ID/cancel), or wait until it expires",
    State.PLAIN: "has fields from before PERSONAL_FIELDS=sealed, which stand on the log for ever",
}


def command(
    order: Annotated[list[str] | None, typer.Option(help="Id of an order; can be repeated.")] = None,
    contact: Annotated[
        str, typer.Option(help="E-mail address or telephone number of a payer: all their orders. Reads every payment.")
    ] = "",
    again: Annotated[
        bool, typer.Option("--again", help="Repeat the erasures that a restored database does not remember.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Erase; without it, only show what would be erased.")] = False,
    as_json: Json = False,
) -> None:
    """Make the personal fields of orders unreadable everywhere. Dry run unless --yes. Exit code 1: some were left."""
    if sum(map(bool, (order, contact, again))) != 1:
        raise UsageError("Give one of --order, --contact and --again.")
    if again:
        missing = run_with_pool(lambda settings, pool: _again(settings, pool, yes=yes))
        _print_again(missing, yes=yes, as_json=as_json)
        return
    planned, done = run_with_pool(
        lambda settings, pool: _erased(settings, pool, _checked(order or []), contact, yes=yes, as_json=as_json)
    )
    _print(planned, done, yes=yes, as_json=as_json)
    if any(one.state in LEFT for one in planned):
        raise typer.Exit(FOUND)


async def _erased(
    settings: Settings, pool: Pool, order_ids: list[str], contact: str, *, yes: bool, as_json: bool
) -> tuple[list[Planned], list[str]]:
    """(every selected order, those that were erased just now)."""
    chosen = await _reached(settings, pool, contact, as_json=as_json) if contact else order_ids
    planned = []
    for order_id in chosen:
        one = await plan(pool, order_id)
        if one is None:
            raise UsageError(f"There is no order {order_id!r}; `gateway journey ID` finds an order by any id of it.")
        planned.append(one)
    ready = [one.order_id for one in planned if one.state is State.READY]
    if not (yes and ready):
        return planned, []
    await note_command(settings, "erase", {"orders": ready}, pool)
    done = []
    async for order_id in erase(settings, pool, ready):
        done.append(order_id)
        if not as_json:
            console.print(f"{order_id} erased ({len(done):,} of {len(ready):,})", highlight=False)
    await asyncio.sleep(FRESH_SECONDS)  # until no process has a key cached
    for order_id in done:
        await empty_responses(pool, order_id)
    return planned, done


async def _reached(settings: Settings, pool: Pool, contact: str, *, as_json: bool) -> list[str]:
    if not is_email(contact) and normalized_contact(contact) is None:
        raise UsageError(f"{contact!r} is neither an e-mail address nor a telephone number.")
    found: dict[str, None] = {}
    async for read, orders in orders_reached(pool, settings, contact=contact):
        found |= dict.fromkeys(orders)
        if not as_json:
            console.print(f"{read:,} payers read, {len(found):,} orders found", highlight=False)
    return list(found)


async def _again(settings: Settings, pool: Pool, *, yes: bool) -> list[str]:
    if yes:
        await note_command(settings, "erase", {"again": True}, pool)
    missing = await erase_again(settings, pool, apply=yes)
    if yes and missing:
        await asyncio.sleep(FRESH_SECONDS)
    return missing


def _checked(order_ids: Sequence[str]) -> list[str]:
    for order_id in order_ids:
        if not is_id(ORDER, order_id):
            raise UsageError(f"{order_id!r} is not a valid order id; they look like order_0123456789abcdef.")
    return list(dict.fromkeys(order_ids))


def _print(planned: list[Planned], done: list[str], *, yes: bool, as_json: bool) -> None:
    if as_json:
        print_json({"orders": [asdict(one) for one in planned], "erased": done})
        return
    if not planned:
        console.print("no such order")
        return
    rows = [
        (one.order_id, "erased" if one.order_id in done else SUMMARIES[one.state], f"{one.sealed}", f"{one.answers}")
        for one in planned
    ]
    print_table(("order", "", "sealed fields", "kept answers"), rows, right=("sealed fields", "kept answers"))
    if not yes and any(one.state is State.READY for one in planned):
        console.print("nothing was changed; --yes erases")


def _print_again(missing: list[str], *, yes: bool, as_json: bool) -> None:
    if as_json:
        print_json({"missing": missing, "erased": missing if yes else []})
    elif not missing:
        console.print("every erasure on the log is in the database")
    else:
        console.print(f"{len(missing):,} erasures {'repeated' if yes else 'are missing; --yes repeats them'}")
