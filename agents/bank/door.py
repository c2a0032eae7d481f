"""An acquirer's notification over HTTP: the adapter verifies and reads it, then it goes to the actor like the response
to a query.

    request ─► read_notification ─► order of the attempt ─► command on the log ─► None: received
                 ├ forged             └ not one of ours        └ LogUnavailableError: the bank sends it again
                 └ unreadable

The command's id is the same by whichever route a report arrives, so a repeated notification changes nothing. The actor
decides which of two outcomes holds, so a late notification changes nothing either.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from agents.bank.port import Bank, ForgedError, UnreadableError
from agents.bank.settlement import settle_record
from domain.rejection import NOTIFICATION_FORGED, NOTIFICATION_UNREADABLE, PAYMENT_NOT_FOUND, Rejected
from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.logs import get_logger
from runtime.settings import Settings
from topics.producer import Record

log = get_logger("bank-door")


class Door:
    """Receives notifications. `order_of`: order of an attempt; `write`: one record to the log, acked."""

    def __init__(
        self,
        bank: Bank,
        settings: Settings,
        *,
        order_of: Callable[[str], Awaitable[str | None]],
        write: Callable[[Record], Awaitable[object]],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._bank = bank
        self._settings = settings
        self._order_of = order_of
        self._write = write
        self._clock = clock

    async def receive(self, headers: Mapping[str, str], body: bytes, *, request_id: str) -> Rejected | None:
        """None: the actor will act on it. Raises what `order_of` and `write` raise; the notification was not received
        then."""
        try:
            report = self._bank.read_notification(headers, body)
        except ForgedError as error:
            log.warning("notification_forged", request_id=request_id, error=str(error))
            return NOTIFICATION_FORGED
        except UnreadableError as error:
            log.error("notification_unreadable", request_id=request_id, error=str(error))
            return NOTIFICATION_UNREADABLE
        order_id = await self._order_of(report.attempt_id)
        if order_id is None:
            log.error("notification_about_unknown_attempt", attempt_id=report.attempt_id, request_id=request_id)
            return PAYMENT_NOT_FOUND
        record = settle_record(
            report,
            order_id=order_id,
            caused_by=None,
            request_id=request_id,
            settings=self._settings,
            clock=self._clock,
        )
        await self._write(record)
        return None
