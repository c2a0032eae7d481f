"""An authenticator app in the hands of a test."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg
import httpx
import pyotp

from runtime.clock import now
from tests.support.signed_up import PASSWORD, body_of
from tests.support.stack import Stack

PATH = "/auth/second-factor"
STEPS_AROUND = range(-20, 21)
"""Ten minutes to either side: longer than a test."""


@dataclass(frozen=True, slots=True)
class App:
    """Of one user. `recovery_codes`: as they were shown."""

    stack: Stack
    email: str
    seed: str
    recovery_codes: list[str]

    @property
    def code(self) -> str:
        return pyotp.TOTP(self.seed).at(now())

    @property
    def wrong_code(self) -> str:
        near = {pyotp.TOTP(self.seed).at(now(), counter_offset=step) for step in STEPS_AROUND}
        return next(code for code in (f"{number:06}" for number in range(len(near) + 1)) if code not in near)

    async def fresh_code(self) -> str:
        """The app's code, as if none had been used: a step lasts 30 seconds, and no test waits for the next one."""
        await execute(self.stack, "UPDATE users SET second_factor_step = -1 WHERE email = $1", self.email)
        return self.code

    async def proof(self) -> dict[str, str]:
        return {"current_password": PASSWORD, "otp": await self.fresh_code()}


async def set_up(stack: Stack, browser: httpx.AsyncClient, email: str) -> App:
    """A second factor for the user who is signed in there, in the new session."""
    begun = body_of(await browser.post(PATH, json={"current_password": PASSWORD}), 201)
    body = {"current_password": PASSWORD, "otp": pyotp.TOTP(begun["secret"]).at(now())}
    confirmed = body_of(await browser.post(f"{PATH}/confirm", json=body), 200)
    browser.headers["X-CSRF-Token"] = confirmed["csrf_token"]
    return App(stack, email, begun["secret"], confirmed["recovery_codes"])


async def execute(stack: Stack, statement: str, *values: object) -> None:
    connection = await asyncpg.connect(stack.database_url)
    try:
        await connection.execute(statement, *values)
    finally:
        await connection.close()
