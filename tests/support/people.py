"""People of a merchant in any role, written into its table, and browsers in which they sign in."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from urllib.parse import parse_qs, urlsplit

import asyncpg
import httpx

from domain.role import Role
from runtime.clock import make_id
from runtime.secrets import hash_password
from tests.support.signed_up import PASSWORD, SignedUp, api_client, body_of

ADD = "INSERT INTO users (id, merchant_id, email, password_hash, role) VALUES ($1, $2, $3, $4, $5)"


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    email: str
    role: Role


async def add_person(database_url: str, merchant_id: str, role: Role) -> Person:
    """With the password of all tests."""
    person = Person(make_id("user_"), f"{role}-{secrets.token_hex(8)}@example.com", role)
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(ADD, person.id, merchant_id, person.email, _hash(), role)
    finally:
        await connection.close()
    return person


def token_of(text: str) -> str:
    """Of the link that a text ends with."""
    (token,) = parse_qs(urlsplit(text.split()[-1]).fragment)["token"]
    return token


@cache
def _hash() -> str:
    return hash_password(PASSWORD)


@asynccontextmanager
async def browser_of(merchant: SignedUp, role: Role) -> AsyncIterator[httpx.AsyncClient]:
    """A new person of the merchant in this role, signed in."""
    person = await add_person(merchant.stack.database_url, merchant.id, role)
    async with api_client(merchant.stack) as client:
        response = await client.post("/auth/login", json={"email": person.email, "password": PASSWORD})
        client.headers["X-CSRF-Token"] = body_of(response, 200)["csrf_token"]
        yield client
