"""`gateway users`: restores a user's access. The operator makes a link and passes it on; the link sets a new
password."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from ops.console.errors import GatewayError
from ops.console.exit_codes import run
from ops.console.noted import note_command
from ops.users.mail import Mail, Mailer, PrintedMail
from runtime.clock import now
from runtime.settings import Settings
from store.accounts.password_resets import LASTS, insert_reset
from store.accounts.users import find_login
from store.connections import make_pool

users = typer.Typer(help="Manage the users of merchants.", no_args_is_help=True)
TOKEN_BYTES = 32


@users.callback()
def group() -> None:
    """The users of merchants."""


@users.command("reset")
def reset(
    email: Annotated[str, typer.Argument(help="E-mail address of the user.")],
    second_factor: Annotated[
        bool, typer.Option("--second-factor", help="The link also removes the user's second factor.")
    ] = False,
) -> None:
    """Make a link that sets a new password, once and within an hour, and lifts a lock on signing in."""
    run(lambda settings: _reset(settings, email, PrintedMail(), second_factor))


async def _reset(settings: Settings, email: str, mailer: Mailer, second_factor: bool) -> None:
    """Raises GatewayError if no user has this address."""
    pool = await make_pool(settings, size=1)
    try:
        found = await find_login(pool, email.strip())
        if found is None:
            raise GatewayError(f"No user has the e-mail address '{email.strip()}'; check its spelling.")
        user, token = found[0], secrets.token_urlsafe(TOKEN_BYTES)
        noted = {"user": user.id, "merchant": user.merchant_id, "second_factor": second_factor}
        await note_command(settings, "users reset", noted, pool)
        await insert_reset(pool, user.id, token, now(), ends_second_factor=second_factor)
    finally:
        await pool.close()
    link = f"{settings.dashboard_url.rstrip('/')}/reset#token={token}"
    hours = LASTS.seconds // 3600
    purpose = "set a new password and remove the second factor" if second_factor else "set a new password"
    await mailer.send(Mail(user.email, "A new password", f"Open this link within {hours} hour to {purpose}:\n{link}"))
