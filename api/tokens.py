"""What the API needs of a bank: a token in place of a card, and a route for its notifications. The wiring provides
both."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from starlette.responses import Response

from api.http.errors import unavailable
from domain.card import CardDetails
from domain.rejection import Rejected

TOKENIZE_SECONDS = 3.0
"""Together with the wait for the decision, below the five seconds after which a request without a response is
refused."""


class Tokenizer(Protocol):
    """Raises OSError if the bank cannot be reached."""

    async def tokenize(self, card: CardDetails) -> str: ...


class NotificationDoor(Protocol):
    """Raises LogUnavailableError, or the database's errors: the notification was not received."""

    async def receive(self, headers: Mapping[str, str], body: bytes, *, request_id: str) -> Rejected | None: ...


class BankPages(Protocol):
    """Pages that the bank of this deployment has here."""

    async def show(self, attempt_id: str, signature: str) -> Response: ...

    async def press(self, attempt_id: str, signature: str, body: bytes, *, request_id: str) -> Response: ...

    async def scan(self, attempt_id: str, *, approved: bool, request_id: str) -> bool:
        """What a payer decides in their UPI app. Raises OSError if the bank cannot be reached."""
        ...


async def card_token(bank: Tokenizer, card: CardDetails) -> str:
    """Raises ApiError 503: nothing was written, and the request can be repeated."""
    try:
        async with asyncio.timeout(TOKENIZE_SECONDS):
            return await bank.tokenize(card)
    except OSError as error:
        raise unavailable("The bank is unavailable; please retry") from error
