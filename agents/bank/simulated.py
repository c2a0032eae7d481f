"""The simulated bank: books every attempt in a ledger of its own, waits as banks do, and responds or does not.

What it decides is `behaviour.py`: a table in test mode, a draw from the attempt id in live mode. It fails on demand:
the test instruments and refund reasons, and BANK_FAULTS (`lose=0.1,late=0.1,twice=0.1,turn=0.1`), each drawn from the
attempt id too.

    charge ─► book (batched, one statement for all that wait) ─► wait the delay ─► answer
                                                                      lose: NoResponseError   twice: notified again
                                                                      late: NoResponseError, notified later
                                                                      turn: answered, later the opposite is notified
    charge of a payer who has a step to take ─► booked as waiting ─► ActionRequired ─┬ decide (page.py), or abandoned
                                                                                     └ cancel: failed, or refused
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from agents.bank import notice
from agents.bank.behaviour import (
    IN_THE_APP,
    ORDINARY,
    SCAN,
    Behaviour,
    FirstResponse,
    behaviour,
    card_token,
    draw,
    refund_behaviour,
)
from agents.bank.port import (
    ActionRequired,
    BankResult,
    Booking,
    CancelRefused,
    Charge,
    NoResponseError,
    Report,
    Return,
)
from domain.action import ActionType, NextAction
from domain.card import CardDetails
from domain.currency import decimal_text
from domain.instrument import Method
from domain.outcome import DECLINES, PAYMENT_CANCELLED, Outcome
from domain.upi import app_link, payee_part
from runtime.clock import now
from runtime.keyring import first_key
from runtime.logs import get_logger
from runtime.settings import Settings
from store.errors import DatabaseError
from store.ledger import SILENCE, WAITING, Entry, Ledger, read_books

log = get_logger("bank")

BOOK_MAX = 1_000
POLL_SECONDS = 0.5
"""Between two polls of the books while a report is due."""
IDLE_SECONDS = 5.0
"""Between two polls while none is due. A payer's decision is notified at once; outcomes that other processes booked may
be reversed."""
LATE_FACTOR = 6
"""A late response or a reversed outcome arrives after this many processing delays."""
NOTIFICATIONS_MAX = 10_000
NETBANKING_SUCCESS_RATE = 0.9
"""For live mode, where no payer visits a bank's page."""
COLLECTING = payee_part("collect@gateway", "Gateway")
"""The payee named by the link of a request that waits in the payer's app."""
STEP_SECONDS = 600.0
"""The time that banks give a payer."""
SILENCE_SECONDS = 15.0
"""Longer than the processor queries, so that the sweeper finds the outcome."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Share of attempts, 0..1, that each fault affects."""

    lose: float = 0.0
    late: float = 0.0
    twice: float = 0.0
    turn: float = 0.0


class FaultsError(ValueError):
    """BANK_FAULTS cannot be read."""


def parse_faults(text: str) -> Faults:
    """`lose=0.05,late=0.05,twice=0.05,turn=0.05`; empty: none. Raises FaultsError."""
    values: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, share = part.partition("=")
        if name not in Faults.__slots__:
            raise FaultsError(f"BANK_FAULTS: unknown fault {name!r}; known are {', '.join(Faults.__slots__)}")
        try:
            values[name] = float(share)
        except ValueError:
            raise FaultsError(f"BANK_FAULTS: {name} needs a share between 0 and 1") from None
        if not 0 <= values[name] <= 1:
            raise FaultsError(f"BANK_FAULTS: {name} needs a share between 0 and 1")
    return Faults(**values)


class SimulatedBank:
    """An adapter of the port. Several processes may share one ledger."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._faults = parse_faults(settings.bank_faults)
        self.key = first_key(settings.keys.oldest, "simulated-bank")
        self._ledger = Ledger(settings)
        self._polling = Ledger(settings, on_word=self._look)
        self._waiting: dict[str, tuple[Entry, asyncio.Future[Entry]]] = {}
        self._booking: asyncio.Task[None] | None = None
        self._scanning: set[asyncio.Task[None]] = set()
        self._notifications: asyncio.Queue[Report | None] = asyncio.Queue(NOTIFICATIONS_MAX)
        """None: read the books."""
        self._listened_to = False

    @property
    def remembers(self) -> None:
        """Its books are kept as long as the database."""

    async def tokenize(self, card: CardDetails) -> str:
        """The token holds nothing of the card except its test behaviour."""
        return card_token(card.number, test_mode=self._settings.test_mode)

    async def charge(self, charge: Charge) -> Report:
        """Raises NoResponseError."""
        acting = self._behaviour(charge.token)
        delay = self._delay_seconds(charge.attempt_id) * acting.delay_factor
        error_code = self._charge_error(charge, acting)
        turns_at = self._turns_at(charge.attempt_id, acting, delay)
        entry = _entry(charge.attempt_id, "charge", None, charge.amount, charge.currency, error_code, turns_at)
        if acting.step is not None:
            waits_until = now() + timedelta(seconds=STEP_SECONDS)
            entry = replace(entry, outcome=WAITING, error_code=None, late_at=waits_until, step=acting.step)
        if acting.step is ActionType.APP:
            entry = replace(entry, app_link=_app_link(charge), refuses_cancel=acting.refuses_cancel)
        if acting.first_response is FirstResponse.SILENT:
            entry = replace(entry, late_at=now() + timedelta(seconds=SILENCE_SECONDS), step=SILENCE)
        try:
            return await self._attempt(entry, delay, acting.first_response)
        finally:
            if charge.token.startswith(SCAN) and not self._settings.test_mode:
                self._scan_after(delay, charge, error_code)

    async def refund(self, refund: Return) -> BankResult:
        """Raises NoResponseError."""
        acting = refund_behaviour(refund.reason) if self._settings.test_mode else ORDINARY
        delay = self._delay_seconds(refund.attempt_id)
        turns_at = self._turns_at(refund.attempt_id, acting, delay)
        entry = _entry(
            refund.attempt_id, "refund", refund.of_attempt, refund.amount, refund.currency, acting.error_code, turns_at
        )
        result = await self._attempt(entry, delay, acting.first_response)
        assert isinstance(result, BankResult), "no payer has a step to take for a refund"
        return result

    async def query(self, attempt_id: str) -> Report | None:
        """The report in the books. None: the bank never saw the attempt. Raises NoResponseError."""
        entry = await self.entry(attempt_id)
        if entry is None:
            return None
        if entry.step == SILENCE and entry.late_at is not None and entry.late_at > now():
            raise NoResponseError("the bank is silent about the attempt")
        return self._report(entry)

    async def cancel(self, attempt_id: str) -> BankResult | CancelRefused | None:
        """Raises NoResponseError."""
        report = await self.query(attempt_id)
        if not isinstance(report, ActionRequired):
            return report
        entry = await self.entry(attempt_id)
        assert entry is not None, "what the books have shown stays in them"
        if entry.waits and entry.refuses_cancel:
            return CancelRefused(attempt_id)
        decided = await self.decide(attempt_id, Outcome.FAILED, PAYMENT_CANCELLED)
        # Another request was faster, or the time was up: the books hold an outcome, not a step.
        return decided or await self.cancel(attempt_id)

    async def entry(self, attempt_id: str) -> Entry | None:
        """The attempt as it is booked. Raises NoResponseError."""
        try:
            return (await self._polling.read([attempt_id])).get(attempt_id)
        except DatabaseError as error:
            self._polling.drop()
            raise NoResponseError(repr(error)) from error

    async def books(self, attempt_ids: Sequence[str] | None = None) -> AsyncGenerator[Sequence[Booking], None]:
        """A report that is due is returned as booked, with the outcome it changes to: reading changes nothing."""
        try:
            async with aclosing(read_books(self._settings, attempt_ids)) as windows:
                async for rows in windows:
                    yield [Booking._make(row) for row in rows]
        except DatabaseError as error:
            raise ConnectionError(f"the bank's books cannot be read: {error}") from error

    async def decide(self, attempt_id: str, outcome: Outcome, error_code: str | None) -> BankResult | None:
        """The payer's decision on the bank's page; None if there is nothing to decide. Raises NoResponseError."""
        try:
            entry = await self._polling.decide(attempt_id, outcome, error_code)
        except DatabaseError as error:
            self._polling.drop()
            raise NoResponseError(repr(error)) from error
        return None if entry is None else _result_of(entry)

    def is_page_of(self, attempt_id: str, signature: str) -> bool:
        """Whether this is the signature in the URL of the attempt's page."""
        return signature.isascii() and hmac.compare_digest(signature, self._page_signature(attempt_id))

    def _page_signature(self, attempt_id: str) -> str:
        return hmac.new(self.key, f"page {attempt_id}".encode(), hashlib.sha256).hexdigest()[:32]

    def _report(self, entry: Entry) -> Report:
        if not entry.waits:
            return _result_of(entry)
        assert entry.step is not None and entry.late_at is not None, f"{entry.attempt_id} waits for nothing"
        if entry.app_link is not None:
            return ActionRequired(entry.attempt_id, NextAction(ActionType.APP, entry.app_link, entry.late_at))
        page = f"{self._settings.api_url.rstrip('/')}/bank/{entry.attempt_id}"
        url = f"{page}?signature={self._page_signature(entry.attempt_id)}"
        return ActionRequired(entry.attempt_id, NextAction(ActionType(entry.step), url, entry.late_at))

    def read_notification(self, headers: Mapping[str, str], body: bytes) -> Report:
        return notice.read(headers, body, self.key)

    def notification(self, result: BankResult) -> tuple[dict[str, str], bytes]:
        """Headers and body of what this bank sends to the gateway's notification route."""
        return notice.written(result, self.key)

    async def notifications(self) -> AsyncIterator[Report]:
        """Reversed outcomes from the books (at least once each, even after a crash) and repeated reports.

        No timeout is open while the listener works: it would end the listener instead of the wait.
        """
        self._listened_to = True
        look_at = time.monotonic()
        while True:
            result = await self._next_notification(look_at - time.monotonic())
            if result is not None:
                yield result
            if result is None or time.monotonic() >= look_at:
                entries, pause_seconds = await self._turned_entries()
                look_at = time.monotonic() + pause_seconds
                for entry in entries:
                    yield self._report(entry)

    async def _next_notification(self, seconds: float) -> Report | None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                return await self._notifications.get()
        except TimeoutError:
            return None

    async def confirm(self, report: Report) -> None:
        if not isinstance(report, BankResult):
            return  # the books repeat outcomes only
        try:
            await self._polling.mark_notified(report.attempt_id, report.turn, report.outcome)
        except DatabaseError as error:
            self._polling.drop()
            log.warning("notification_repeated", attempt_id=report.attempt_id, error=repr(error))

    async def _turned_entries(self) -> tuple[list[Entry], float]:
        """Reports that are due, and the time until the next poll."""
        try:
            entries, seconds = await self._polling.take_turned()
        except DatabaseError as error:
            self._polling.drop()
            log.warning("ledger_unavailable", error=repr(error))
            return [], POLL_SECONDS
        return entries, IDLE_SECONDS if seconds is None else min(max(seconds, POLL_SECONDS), IDLE_SECONDS)

    def _look(self) -> None:
        if self._listened_to and not self._notifications.full():
            self._notifications.put_nowait(None)

    async def _attempt(self, entry: Entry, delay: float, response: FirstResponse) -> Report:
        booked = await self._book(entry)
        if delay:
            await asyncio.sleep(delay)
        result = self._report(booked)
        if response is not FirstResponse.GIVEN or self._meets(entry.attempt_id, "lose"):
            raise NoResponseError("the answer was lost")
        if self._meets(entry.attempt_id, "late"):
            self._notify_after(result, delay * LATE_FACTOR)
            raise NoResponseError("the answer is late")
        if self._meets(entry.attempt_id, "twice"):
            self._notify_after(result, delay)
        return result

    async def _book(self, entry: Entry) -> Entry:
        """Wait for the entry to be booked together with all others that wait now."""
        known = self._waiting.get(entry.attempt_id)
        if known is None:
            known = (entry, asyncio.get_running_loop().create_future())
            self._waiting[entry.attempt_id] = known
        if self._booking is None or self._booking.done():
            self._booking = asyncio.create_task(self._book_waiting())
        return await known[1]

    async def _book_waiting(self) -> None:
        while self._waiting:
            taken = dict(list(self._waiting.items())[:BOOK_MAX])
            for attempt_id in taken:
                del self._waiting[attempt_id]
            try:
                booked = await self._ledger.book([entry for entry, _ in taken.values()])
            except DatabaseError as error:
                self._ledger.drop()
                _fail_all(taken, error)
                continue
            if any(entry.late_at is not None for entry, _ in taken.values()):
                self._look()
            for attempt_id, (_, future) in taken.items():
                if not future.done():
                    future.set_result(booked[attempt_id])

    def _notify_after(self, result: Report, delay: float) -> None:
        asyncio.get_running_loop().call_later(delay, self._notify, result)

    def _notify(self, result: Report) -> None:
        if not self._notifications.full():
            self._notifications.put_nowait(result)

    def _behaviour(self, token: str) -> Behaviour:
        if self._settings.test_mode:
            return behaviour(token)
        return IN_THE_APP if token.startswith(SCAN) else ORDINARY

    def _scan_after(self, delay: float, charge: Charge, error_code: str | None) -> None:
        """In live mode no payer scans the code: the drawn outcome arrives on its own. A process that ends before that
        leaves the code unscanned."""
        outcome = Outcome.SUCCESS if error_code is None else Outcome.FAILED
        scanning = self.decide(charge.attempt_id, outcome, error_code)
        task = asyncio.get_running_loop().create_task(_later(delay * LATE_FACTOR, scanning))
        self._scanning.add(task)
        task.add_done_callback(self._scanning.discard)

    def _turns_at(self, attempt_id: str, acting: Behaviour, delay: float) -> datetime | None:
        """When the bank reverses the outcome of the attempt, if ever."""
        if not acting.turns and not self._meets(attempt_id, "turn"):
            return None
        return now() + timedelta(seconds=delay * LATE_FACTOR)

    def _meets(self, attempt_id: str, fault: str) -> bool:
        share: float = getattr(self._faults, fault)
        return share > 0 and draw(attempt_id, fault) < share

    def _delay_seconds(self, attempt_id: str) -> float:
        settings = self._settings
        if settings.test_mode:
            return settings.test_processing_delay / 1000
        span = settings.processing_delay_max - settings.processing_delay_min
        return (settings.processing_delay_min + span * draw(attempt_id, "delay")) / 1000

    def _charge_error(self, charge: Charge, acting: Behaviour) -> str | None:
        """error_code of a charge that fails, None if it succeeds."""
        if acting.error_code is not None or acting.forced_success:
            return acting.error_code
        if self._settings.test_mode:
            return None if self._settings.test_payment_success else "PAYMENT_FAILED"
        success_rate, decline = _policy(charge.method, self._settings)
        return None if draw(charge.attempt_id, "outcome") < success_rate else decline


def _policy(method: Method, settings: Settings) -> tuple[float, str]:
    """(share of charges that succeed in live mode, error_code of the others)."""
    match method:
        case Method.UPI:
            return settings.upi_success_rate, "UPI_DECLINED"
        case Method.CARD:
            return settings.card_success_rate, "CARD_DECLINED"
        case Method.NETBANKING:
            return NETBANKING_SUCCESS_RATE, "BANK_DECLINED"
    assert_never(method)


def _entry(
    attempt_id: str,
    kind: str,
    of_attempt: str | None,
    amount: int,
    currency: str,
    error_code: str | None,
    late_at: datetime | None,
) -> Entry:
    return Entry(
        attempt_id=attempt_id,
        kind=kind,
        of_attempt=of_attempt,
        amount=amount,
        currency=currency,
        outcome=Outcome.SUCCESS if error_code is None else Outcome.FAILED,
        error_code=error_code,
        reference=f"bank_{attempt_id.rpartition('_')[2]}",
        late_at=late_at,
    )


def _app_link(charge: Charge) -> str:
    payee = charge.token.removeprefix(SCAN) if charge.token.startswith(SCAN) else COLLECTING
    return app_link(payee, charge.attempt_id, decimal_text(charge.amount, charge.currency), charge.currency)


def _result_of(entry: Entry) -> BankResult:
    return BankResult(
        attempt_id=entry.attempt_id,
        outcome=Outcome(entry.outcome),
        error_code=entry.error_code,
        error_description=DECLINES.get(entry.error_code) if entry.error_code is not None else None,
        reference=entry.reference,
        turn=entry.turn,
    )


def _fail_all(taken: dict[str, tuple[Entry, asyncio.Future[Entry]]], error: Exception) -> None:
    log.warning("ledger_unavailable", error=repr(error), attempts=len(taken))
    for _, future in taken.values():
        if not future.done():
            future.set_exception(NoResponseError(repr(error)))


async def _later(seconds: float, deciding: Coroutine[object, object, BankResult | None]) -> None:
    try:
        await asyncio.sleep(seconds)
        await deciding
    except NoResponseError as error:
        log.warning("scan_not_booked", error=repr(error))
    finally:
        deciding.close()
