"""`gateway topics acl`: which user of the broker may do what, from the table in topics/access.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from ops.console.errors import GatewayError
from ops.console.exit_codes import FOUND, run
from ops.console.noted import note_command
from ops.console.output import Json, console, print_json, print_table
from runtime.settings import Settings
from topics.access import USER_PREFIX, Permission, permissions, users
from topics.acl import Acl, AclError, acl_of, create_acl, delete_acl, read_acls
from topics.admin import admin_client


@dataclass(frozen=True, slots=True)
class Difference:
    """Differences between the table and the broker, for our users only."""

    missing: list[Acl]
    surplus: list[Acl]

    def __bool__(self) -> bool:
        return bool(self.missing or self.surplus)


def acl(
    prefix: Annotated[str, typer.Option(help="Of the users' names: gateway-api, gateway-payments …")] = USER_PREFIX,
    check: Annotated[bool, typer.Option("--check", help="Compare with the broker; exit with 1 if it differs.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Make the broker's lists equal to the table.")] = False,
    as_json: Json = False,
) -> None:
    """Show which user may read and write which topic; with --apply, have the broker enforce it.

    --check and --apply need a super user of the broker in KAFKA_SASL_USERNAME. Users are created with the broker's own
    tool; entries about other users are left alone.
    """
    if not (check or apply):
        _print_table(permissions(prefix), as_json)
        return
    difference = run(lambda settings: _applied(settings, prefix) if apply else _compared(settings, prefix))
    if as_json:
        print_json({"missing": list(map(str, difference.missing)), "surplus": list(map(str, difference.surplus))})
    else:
        _print_difference(difference, apply=apply)
    if difference and not apply:
        raise typer.Exit(FOUND)


def _print_table(rows: list[Permission], as_json: bool) -> None:
    if as_json:
        print_json([_as_object(row) for row in rows])
        return
    print_table(("user", "operation", "on", "name"), (tuple(map(str, _as_object(row).values())) for row in rows))


def _as_object(row: Permission) -> dict[str, Any]:
    words = row.operation.name.lower().replace("_", " ")
    return {"user": row.user, "operation": words, "on": row.kind.name.lower(), "name": row.name}


async def _compared(settings: Settings, prefix: str) -> Difference:
    expected = [acl_of(one) for one in permissions(prefix)]
    try:
        async with admin_client(settings) as client:
            found = await read_acls(client, users(prefix))
    except AclError as error:
        raise GatewayError(
            f"The broker did not show its access control lists ({error}). Set KAFKA_SASL_USERNAME to a super user."
        ) from error
    return Difference([one for one in expected if one not in found], [one for one in found if one not in expected])


async def _applied(settings: Settings, prefix: str) -> Difference:
    """The differences. Permissions come before refusals, so that no role is without one that it had and keeps."""
    difference = await _compared(settings, prefix)
    if difference:
        counts = {"created": len(difference.missing), "deleted": len(difference.surplus)}
        await note_command(settings, "topics acl", {"prefix": prefix, **counts})
    try:
        async with admin_client(settings) as client:
            for one in difference.missing:
                await create_acl(client, one)
            for one in difference.surplus:
                await delete_acl(client, one)
    except AclError as error:
        raise GatewayError(f"The broker refused the change ({error}); run the command again.") from error
    return difference


def _print_difference(difference: Difference, *, apply: bool) -> None:
    for sign, found in (("+", difference.missing), ("-", difference.surplus)):
        for one in found:
            console.print(f"{sign} {one}", markup=False)
    if not difference:
        console.print("the broker enforces the table")
    elif apply:
        console.print(f"{len(difference.missing)} created, {len(difference.surplus)} deleted")
    else:
        console.print("the broker differs from the table; --apply makes the changes above")
