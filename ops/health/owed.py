"""`gateway owed`: money that merchants owe because the bank reversed an outcome, and the record that a debt is settled.

A debt is settled outside the gateway (deducted from a payout, paid back by the merchant, written off). The record
closes it here; if the debt of that payment grows later, the difference is open again. If it shrinks, because the bank
reversed again, the merchant has paid too much: that is listed with a minus, and settled by recording its return.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from domain.ids import PAYMENT, is_id
from ops.console.exit_codes import FOUND, UsageError, run
from ops.console.noted import note_command
from ops.console.output import Json, console, print_json, print_table
from runtime.settings import Settings
from store.connections import make_pool
from store.operations.owed import Owed, owed, settle_owed

LIMIT = 200
NOTE_MAX = 500

command = typer.Typer(add_completion=False, help="List what merchants owe because the bank reversed payments.")


@command.callback(invoke_without_command=True)
def list_owed(context: typer.Context, as_json: Json = False) -> None:
    """List open debts, oldest first. Exit code 1: there are some."""
    if context.invoked_subcommand is not None:
        return
    found = run(_open)
    if as_json:
        print_json([asdict(one) for one in found])
    elif not found:
        console.print("nothing is owed")
    else:
        rows = [
            (one.payment_id, one.merchant_id, f"{one.amount} {one.currency}", why(one), one.since.isoformat())
            for one in found
        ]
        print_table(("payment", "merchant", "owed", "why", "since"), rows, right=("owed",))
    if found:
        raise typer.Exit(FOUND)


@command.command("settle")
def settle(
    payment_id: Annotated[str, typer.Argument(help="The payment whose debt was settled.")],
    note: Annotated[str, typer.Option(help="How it was settled, for the record.")],
) -> None:
    """Record that a payment's debt was settled outside the gateway, or that an overpayment was returned."""
    if not is_id(PAYMENT, payment_id):
        raise UsageError(f"{payment_id!r} is not a valid payment id; they look like pay_0123456789abcdef.")
    if not note.strip() or len(note) > NOTE_MAX:
        raise UsageError(f"The note must have 1 to {NOTE_MAX} characters.")
    if not run(lambda settings: _settle(settings, payment_id, note.strip())):
        raise UsageError(f"Nothing is owed or to be returned for {payment_id}; `gateway owed` lists open debts.")
    console.print(f"the debt of {payment_id} is settled")


def why(one: Owed) -> str:
    """The cause in a few words."""
    if one.amount < 0:
        return "settled, then the bank turned back: return it"
    return "refunded, then reversed by the bank" if one.reversed else "refunded more than once by the bank"


async def _open(settings: Settings) -> list[Owed]:
    pool = await make_pool(settings, size=1)
    try:
        return await owed(pool, limit=LIMIT)
    finally:
        await pool.close()


async def _settle(settings: Settings, payment_id: str, note: str) -> bool:
    pool = await make_pool(settings, size=1)
    try:
        await note_command(settings, "owed settle", {"payment_id": payment_id, "note": note}, pool)
        return await settle_owed(pool, payment_id, note)
    finally:
        await pool.close()
