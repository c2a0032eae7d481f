"""Gathering: the broker holds records back for a listener that no request waits for, but only while many arrive.

    few responses a second   a record is sent at once; with nothing to send, the broker responds after IDLE_WAIT_MS
    many                     the broker responds once it has GATHERED_BYTES, or after `gather_ms`
    FLOOD records a second   after FLOOD_WAITS times `gather_ms`

One response of the broker costs as much as a hundred records. While many records arrive, gathering makes responses
fewer and larger. While few arrive, there is nothing to gather, and a fetch every few milliseconds would wake broker and
listener for nothing.
"""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer

from runtime.clock import SYSTEM_CLOCK, Clock

GATHERED_BYTES = 524_288
"""What the broker sends without waiting for more: seven hundred events. Half of what one partition may send at a time,
so that a single busy partition reaches it."""
FLOOD = 500
"""Records a second from which gathering lasts longer: at most fifteen of them arrive within 30 ms."""
FLOOD_WAITS = 3
IDLE_WAIT_MS = 2_000
"""An empty response costs the listener a millisecond, and the broker as much. A broker serves the requests of a
connection in order, though: a request behind an idle fetch waits this long, and so does the first fetch after a seek or
a rebalance."""
LOOK_EVERY_MS = 5_000
"""How often aiokafka's fetcher looks for something to do though nothing has happened: records, a seek, a rebalance and
the brokers' metadata wake it. Its own 200 ms are five wakes a second of each idle consumer."""
WINDOW_SECONDS = 1.0
"""The period over which responses and records are counted."""


def look_seldom(client: AIOKafkaConsumer) -> None:
    """For a consumer made elsewhere, before it is started: `consumer_timeout_ms=LOOK_EVERY_MS`."""
    client._consumer_timeout = LOOK_EVERY_MS / 1_000


class FetchTerms:
    """How the broker serves a consumer's next fetches. aiokafka fixes that when a consumer is made and has no method
    to change it, so this class, and nothing else, writes to its fetcher (tests/unit/test_gathering.py)."""

    def __init__(self, client: AIOKafkaConsumer) -> None:
        self._client = client

    def change(self, *, min_bytes: int, wait_ms: int) -> None:
        """For every fetch from now on; the consumer has been started."""
        fetcher = self._client._fetcher
        fetcher._fetch_min_bytes, fetcher._fetch_max_wait_ms = min_bytes, wait_ms


class Gathering:
    """For one consumer, made with `GATHERED_BYTES` and `gather_ms`: it gathers while many records arrive.

    Gathering begins once responses arrive more often than gathering would allow, and ends at less than half that rate
    of records: without the half, a listener near the rate would switch every second.
    """

    def __init__(self, client: AIOKafkaConsumer, *, gather_ms: int, clock: Clock = SYSTEM_CLOCK) -> None:
        self._terms = FetchTerms(client)
        self._gather_ms = gather_ms
        self._clock = clock
        self._since = clock.monotonic()
        self._fetches = self._records = 0
        self.is_on = True
        self._wait_ms = gather_ms

    def took(self, records: int) -> None:
        """Call after each poll, with the number of records it returned."""
        self._fetches += records > 0
        self._records += records
        seconds = self._clock.monotonic() - self._since
        if seconds < WINDOW_SECONDS:
            return
        fetches_max = seconds * 1_000 / self._gather_ms
        self.is_on = self._records > fetches_max / 2 if self.is_on else self._fetches > fetches_max
        self._wait(self._next_wait_ms(self._records / seconds))
        self._since += seconds
        self._fetches = self._records = 0

    def _next_wait_ms(self, records_per_second: float) -> int:
        if not self.is_on:
            return IDLE_WAIT_MS
        return self._gather_ms * FLOOD_WAITS if records_per_second >= FLOOD else self._gather_ms

    def _wait(self, wait_ms: int) -> None:
        if wait_ms != self._wait_ms:
            self._wait_ms = wait_ms
            self._terms.change(min_bytes=GATHERED_BYTES if self.is_on else 1, wait_ms=wait_ms)
