"""The bank in a world: books that outlive every process, and responses that are lost, late, repeated or reversed.

    charge ─► booked at once under the attempt's id ─► a response after a while, or none; queries read the books
              charge_turns, refund_turns    the bank reverses the outcome later, and notifies; sometimes twice
              payer_steps, and any scan     the payer has a step to take first: in time, or never; until then the bank
                                            cancels the attempt, or refuses to, and may still charge it later

Money has moved while the last outcome of an attempt is success.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from agents.bank.behaviour import SCAN
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
from domain.outcome import PAYMENT_CANCELLED, Outcome
from domain.upi import app_link
from simulation.clock import EPOCH
from simulation.faults import between
from simulation.merchants import MERCHANTS
from simulation.scheduler import PROCESS

if TYPE_CHECKING:
    from simulation.world import World

SILENCE_SECONDS = 3.0
Requester = tuple[str, int, str]
"""Process, task, attempt id."""
HANGS_SECONDS = 25.0
"""How long a request hangs at a silent bank; below the sweeper's timeout of a question."""
UNDECIDED = frozenset({"CREATED", "PROCESSING", "PENDING"})
SETTLED = {Outcome.SUCCESS: frozenset({"SUCCESS", "PROCESSED"}), Outcome.FAILED: frozenset({"FAILED"})}
DECLINED_SHARE = 0.35
REFUSED_SHARE = 0.2
REFUSALS_MAX = 4
"""Refunds of one charge that the bank refuses. The sweeper waits twice as long after each; more outlast a world."""
TURNS_AGAIN_SHARE = 0.25
STEP_SECONDS_MAX = 12.0
ABANDONED_SHARE = 0.3
CANCEL_REFUSED_SHARE = 0.25
FORGOTTEN_AFTER_SECONDS = 86_400.0
"""How long a bank recognises an attempt by its id, in a query or when it is requested again."""
SHORT_MEMORY_SECONDS = 20.0
"""The same after the gateway has settled the attempt, for a bank that forgets soon."""


@dataclass(slots=True)
class Entry:
    """One attempt in the bank's books. `of_attempt`: the charge that a refund gives back."""

    attempt_id: str
    amount: int
    of_attempt: str | None
    outcome: Outcome
    booked_at: float = 0.0
    forgotten: bool = False
    refunded: bool = False
    """Whether a refund of it was ever requested: then a query always finds it."""
    times: int = 1
    """How often it was carried out: once, unless a process requests it again after the bank has forgotten its id."""
    turn: int = 0
    """How often the bank has reversed the outcome."""
    step: NextAction | None = None
    """The payer's step before there is an outcome."""
    cancelled: bool = False

    @property
    def moved(self) -> int:
        """Minor units that the attempt has moved, by the last outcome."""
        return self.amount * self.times if self.outcome is Outcome.SUCCESS and self.step is None else 0


@dataclass(frozen=True, slots=True)
class Silence:
    """A period without responses, to any process or about one merchant's attempts. `hangs`: requests hang; otherwise
    they are refused at once."""

    merchant_id: str | None
    hangs: bool
    since: float
    until: float

    def covers(self, merchant_id: str) -> bool:
        return self.merchant_id in (None, merchant_id)


@dataclass(slots=True)
class Bank:
    """The books. `pending`: reports to notify until a process confirms them."""

    world: World
    books: dict[str, Entry] = field(default_factory=dict)
    pending: dict[str, Report] = field(default_factory=dict)
    queried: set[Requester] = field(default_factory=set)
    """Which process queried what."""
    unresolved: set[Requester] = field(default_factory=set)
    """Which process requested what, got no response, and has not queried it since."""
    beside: list[tuple[str, str]] = field(default_factory=list)
    """Charges that began while another of their order was open or had succeeded, and that other."""
    repeated_blindly: list[str] = field(default_factory=list)
    """Attempts that a process requested although it had to query them first."""
    turning: int = 0
    """Attempts that will be reversed and are not yet."""
    silences: list[Silence] = field(default_factory=list)
    swept_at: dict[str, float] = field(default_factory=dict)
    """When a sweeper first queried an undecided attempt."""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def book(self, attempt_id: str, amount: int, of_attempt: str | None, code: str | None = None) -> Entry:
        """The entry of this attempt; made by the first request. `code`: the link that the payer has to scan."""
        entry = self.books.get(attempt_id)
        if entry is not None:
            if self._is_forgotten(entry):
                entry.times += 1
                self.world.trace.note("bank", f"{attempt_id} is carried out once more", attempt_id)
            return entry
        share = DECLINED_SHARE if of_attempt is None else REFUSED_SHARE
        failed = between(0.0, 1.0) < share and self._refusals(of_attempt) < REFUSALS_MAX
        outcome = Outcome.FAILED if failed else Outcome.SUCCESS
        entry = Entry(attempt_id, amount, of_attempt, outcome, booked_at=self.world.scheduler.now)
        if of_attempt is None:
            self._look_beside(attempt_id)
        self.books[attempt_id] = entry
        if of_attempt in self.books:
            self.books[of_attempt].refunded = True
        if self.world.plan.forgets:
            self.world.scheduler.outside(SHORT_MEMORY_SECONDS, self._maybe_forget, entry)
        self.world.trace.note("bank", f"{attempt_id} of {amount}: {entry.outcome}", attempt_id)
        if code is not None:
            self._wait_for_payer(entry, ActionType.APP, code)
        elif of_attempt is None and self.world.faults.happens("payer_steps"):
            self._wait_for_payer(entry, ActionType.REDIRECT, f"https://bank/{attempt_id}")
        elif self.world.faults.happens("charge_turns" if of_attempt is None else "refund_turns"):
            again = [between(1.0, 8.0) for _ in range(2 if between(0.0, 1.0) < TURNS_AGAIN_SHARE else 1)]
            self.turning += 1
            self.world.scheduler.outside(between(3.0, 14.0), self._turn, entry, again[1:])
        return entry

    def _refusals(self, charge_id: str | None) -> int:
        refunds = (entry for entry in self.books.values() if charge_id is not None and entry.of_attempt == charge_id)
        return sum(entry.outcome is Outcome.FAILED for entry in refunds)

    def known(self, attempt_id: str) -> Entry | None:
        """The entry of an attempt that the bank recognises."""
        entry = self.books.get(attempt_id)
        return entry if entry is not None and (entry.refunded or not self._is_forgotten(entry)) else None

    def _is_forgotten(self, entry: Entry) -> bool:
        return entry.forgotten or self.world.scheduler.now - entry.booked_at > FORGOTTEN_AFTER_SECONDS

    def _maybe_forget(self, entry: Entry, settled_before: bool = False) -> None:
        """Forget an attempt that the gateway has known for SHORT_MEMORY_SECONDS as the bank has it."""
        tables = self.world.database.tables
        row = tables["payments"].get(entry.attempt_id) or tables["refunds"].get(entry.attempt_id)
        settled = row is not None and row["status"] in SETTLED[entry.outcome] and entry.step is None
        if settled and settled_before:
            entry.forgotten = True
        elif self.world.faults.on:
            self.world.scheduler.outside(SHORT_MEMORY_SECONDS, self._maybe_forget, entry, settled)

    def _look_beside(self, attempt_id: str) -> None:
        """Two charges of one order may coincide only if the bank had reported the first one as failed."""
        rows = self.world.database.tables["payments"]
        order_id = rows[attempt_id]["order_id"]
        for other in self.books.values():
            open_or_good = other.step is not None or (other.outcome is Outcome.SUCCESS and other.turn == 0)
            if other.of_attempt is None and open_or_good and rows[other.attempt_id]["order_id"] == order_id:
                self.beside.append((attempt_id, other.attempt_id))

    def cancel(self, entry: Entry) -> Report:
        """The state after it."""
        if entry.step is None:
            return report_on(entry)
        if between(0.0, 1.0) < CANCEL_REFUSED_SHARE:
            return CancelRefused(entry.attempt_id)
        entry.step, entry.outcome, entry.cancelled = None, Outcome.FAILED, True
        self.world.trace.note("bank", f"{entry.attempt_id} is cancelled", entry.attempt_id)
        report = report_on(entry)
        if self.world.faults.happens("charge_turns"):
            self.turning += 1
            self.world.scheduler.outside(between(3.0, 14.0), self._turn, entry, [])
        return report

    def _wait_for_payer(self, entry: Entry, kind: ActionType, url: str) -> None:
        """The payer takes the step in time, which the bank notifies most of the time, or never."""
        seconds = between(6.0, STEP_SECONDS_MAX)
        expires_at = EPOCH + timedelta(seconds=self.world.scheduler.now + seconds)
        entry.step = NextAction(kind, url, expires_at)
        abandoned = between(0.0, 1.0) < ABANDONED_SHARE
        at = seconds if abandoned else between(0.5, seconds)
        self.world.scheduler.outside(at, self._stepped, entry, abandoned, between(0.0, 1.0) < ABANDONED_SHARE)

    def _stepped(self, entry: Entry, abandoned: bool, silent: bool) -> None:
        if entry.cancelled:
            return
        entry.step = None
        entry.outcome = Outcome.FAILED if abandoned else entry.outcome
        how = "abandons" if abandoned else "takes"
        self.world.trace.note("bank", f"the payer {how} the step of {entry.attempt_id}", entry.attempt_id)
        if not (abandoned or silent):
            self.notify(entry)

    def _turn(self, entry: Entry, again: list[float]) -> None:
        entry.outcome = Outcome.FAILED if entry.outcome is Outcome.SUCCESS else Outcome.SUCCESS
        entry.turn += 1
        entry.forgotten = False
        self.world.trace.note("bank", f"{entry.attempt_id} turns: {entry.outcome}", entry.attempt_id)
        self.notify(entry)
        if again:
            self.world.scheduler.outside(again[0], self._turn, entry, again[1:])
        else:
            self.turning -= 1

    def fall_silent(self, chance: float, seconds: float) -> None:
        """For one merchant or for all; hanging or not, depending on `chance`."""
        whom = (*(merchant.id for merchant in MERCHANTS), None)
        place = chance * len(whom)
        silence = Silence(
            whom[int(place)], place % 1 < 0.5, self.world.scheduler.now, self.world.scheduler.now + seconds
        )
        self.silences.append(silence)
        about = silence.merchant_id or "all"
        manner = "requests hang" if silence.hangs else "it turns requests away"
        self.world.trace.note("bank", f"is silent about {about} for {seconds:.1f} s; {manner}")

    def silence_about(self, attempt_id: str) -> Silence | None:
        """The silence that affects this attempt now; one that has begun outlasts the other faults."""
        now, tables = self.world.scheduler.now, self.world.database.tables
        if not self.silences:
            return None
        row = tables["payments"].get(attempt_id) or tables["refunds"].get(attempt_id)
        merchant_id = "" if row is None else row["merchant_id"]
        return next((one for one in self.silences if one.until > now and one.covers(merchant_id)), None)

    def was_silent(self, merchant_id: str, since: float, until: float) -> bool:
        """Whether there was a silence about this merchant's attempts between the two, or one's requests still hung."""
        silences = [one for one in self.silences if one.covers(merchant_id)]
        return any(one.since <= until and one.until + HANGS_SECONDS >= since for one in silences)

    def note_question(self, attempt_id: str) -> None:
        """A sweeper queries an attempt; a repeated refund is a different case."""
        tables = self.world.database.tables
        row = tables["payments"].get(attempt_id) or tables["refunds"].get(attempt_id)
        if row is not None and row["status"] in UNDECIDED:
            self.swept_at.setdefault(attempt_id, self.world.scheduler.now)

    def notify(self, entry: Entry) -> None:
        self.pending[entry.attempt_id] = report_on(entry)
        self.arrived.set()


class BankClient:
    """The bank's port in one process."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._bank = world.bank

    @property
    def remembers(self) -> timedelta:
        return timedelta(seconds=FORGOTTEN_AFTER_SECONDS)

    async def charge(self, charge: Charge) -> Report:
        return await self._decide(charge.attempt_id, charge.amount, None, _code(charge))

    async def refund(self, refund: Return) -> BankResult:
        result = await self._decide(refund.attempt_id, refund.amount, refund.of_attempt)
        assert isinstance(result, BankResult), "nobody has a step to take for a refund"
        return result

    async def tokenize(self, card: CardDetails) -> str:
        raise NotImplementedError("nobody pays by card here")

    def read_notification(self, headers: Mapping[str, str], body: bytes) -> Report:
        raise NotImplementedError("this bank notifies over a line of its own")

    def books(self, attempt_ids: Sequence[str] | None = None) -> AsyncGenerator[Sequence[Booking], None]:
        raise NotImplementedError("a world compares its bank's books itself: simulation/promises.py")

    async def _decide(self, attempt_id: str, amount: int, of_attempt: str | None, code: str | None = None) -> Report:
        self._check_queried(attempt_id)
        try:
            return await self._booked(attempt_id, amount, of_attempt, code)
        except NoResponseError:
            self._bank.unresolved.add(_requester(attempt_id))
            raise

    def _check_queried(self, attempt_id: str) -> None:
        """A sweeper queries before it requests; a process without a response queries before its next try.

        A record that a processor reads twice is not checked: it cannot detect that another process has sent the
        request.
        """
        requester = _requester(attempt_id)
        swept = requester[0].startswith("sweeper") and requester not in self._bank.queried
        if swept or requester in self._bank.unresolved:
            self._bank.repeated_blindly.append(attempt_id)

    async def _booked(self, attempt_id: str, amount: int, of_attempt: str | None, code: str | None) -> Report:
        faults = self._world.faults
        await self._be_silent(attempt_id)
        if faults.happens("bank_unasked"):
            await asyncio.sleep(SILENCE_SECONDS)
            raise NoResponseError("the request was lost")
        await asyncio.sleep(between(0.001, 0.05))
        entry = self._bank.book(attempt_id, amount, of_attempt, code)
        report = report_on(entry)
        await asyncio.sleep(between(0.05, 0.6))
        if faults.happens("bank_late"):
            self._bank.notify(entry)
            raise NoResponseError("the answer is late")
        await self._maybe_lose_response()
        if faults.happens("bank_twice"):
            self._bank.notify(entry)
        return report

    async def query(self, attempt_id: str) -> Report | None:
        await self._question(attempt_id)
        await self._maybe_lose_response()
        entry = self._bank.known(attempt_id)
        return None if entry is None else report_on(entry)

    async def cancel(self, attempt_id: str) -> BankResult | CancelRefused | None:
        """Its response is as informative as a query's."""
        await self._question(attempt_id)
        entry = self._bank.known(attempt_id)
        report = None if entry is None else self._bank.cancel(entry)
        await self._maybe_lose_response()
        assert not isinstance(report, ActionRequired), "a bank that was asked to cancel has an answer to that"
        return report

    async def _question(self, attempt_id: str) -> None:
        """A query of an attempt arrives. Raises NoResponseError if the bank is silent about it."""
        self._bank.queried.add(_requester(attempt_id))
        self._bank.unresolved.discard(_requester(attempt_id))
        if PROCESS.get().name.startswith("sweeper"):
            self._bank.note_question(attempt_id)
        await self._be_silent(attempt_id)
        await asyncio.sleep(between(0.005, 0.05))

    async def _maybe_lose_response(self) -> None:
        if self._world.faults.happens("bank_silent"):
            await asyncio.sleep(SILENCE_SECONDS)
            raise NoResponseError("the answer was lost")

    async def _be_silent(self, attempt_id: str) -> None:
        """Raises NoResponseError if the bank is silent about this attempt."""
        silence = self._bank.silence_about(attempt_id)
        if silence is not None:
            await asyncio.sleep(HANGS_SECONDS if silence.hangs else between(0.001, 0.01))
            raise NoResponseError("the bank is silent")

    async def notifications(self) -> AsyncIterator[Report]:
        """Unsolicited reports, repeated until confirmed.

        They include those that were pending before this listener started: another may have died while handling them.
        """
        while True:
            for report in list(self._bank.pending.values()):
                await asyncio.sleep(between(0.05, 0.3))
                yield report
            if not self._bank.pending:
                self._bank.arrived.clear()
                await self._bank.arrived.wait()

    async def confirm(self, report: Report) -> None:
        await asyncio.sleep(between(0.005, 0.02))
        if self._bank.pending.get(report.attempt_id) == report:
            del self._bank.pending[report.attempt_id]


def _requester(attempt_id: str) -> Requester:
    """Of two tasks of a process that carry out one attempt, each queries for itself. Tasks live as long as a world."""
    return PROCESS.get().name, id(asyncio.current_task()), attempt_id


def _code(charge: Charge) -> str | None:
    """The link of a payment that begins with a scan; it pays whom the token names."""
    if not charge.token.startswith(SCAN):
        return None
    payee = charge.token.removeprefix(SCAN)
    return app_link(payee, charge.attempt_id, decimal_text(charge.amount, charge.currency), charge.currency)


def report_on(entry: Entry) -> Report:
    """The bank's report about this attempt, from its current books."""
    if entry.step is not None:
        return ActionRequired(entry.attempt_id, entry.step)
    failed = entry.outcome is Outcome.FAILED
    code = (
        None
        if not failed
        else PAYMENT_CANCELLED
        if entry.cancelled
        else "PAYMENT_FAILED"
        if entry.of_attempt is None
        else "REFUND_FAILED"
    )
    reference = f"bank_{entry.attempt_id[-8:]}"
    description = "The bank refused" if failed else None
    return BankResult(entry.attempt_id, entry.outcome, code, description, reference, entry.turn)
