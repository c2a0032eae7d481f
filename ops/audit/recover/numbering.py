"""Gives each recovered event its position in the feed: `gateway recover` runs while the jobs role is down.

    ends of the events topic, as they are now ─► the role's own feeder, one portion a turn ─► every position has its end

Where the jobs role is up, its feeder holds the lock and does the work; this only waits for it.
"""

from __future__ import annotations

import asyncio
import time

from agents.jobs.feeder import RewoundError, Session, feeding
from ops.console.errors import GatewayError
from runtime.settings import Settings
from store.log.feed import read_positions
from store.operations.recover import Recovery
from topics.catalogue import EVENTS
from topics.envelope import NewerRecordError
from topics.reader import Start, log_reader

STALLED_SECONDS = 60.0
"""Longer than a portion takes of a busy database (20 s) and than the broker takes to choose another leader."""
OTHER_STALLED_SECONDS = 1_800.0
"""While another feeder holds the lock: its session may be comparing what the log has, which moves nothing."""
LOOK_EVERY_SECONDS = 0.2


async def number_feed(settings: Settings, recovery: Recovery) -> None:
    """Return once every event that the log has now is numbered, or is one that the table lacks.

    Raises KafkaError, DatabaseError, OSError, and GatewayError if nothing was numbered for STALLED_SECONDS, or for
    OTHER_STALLED_SECONDS while another feeder holds the lock.
    """
    ends = await _ends(settings)
    wait = Wait(recovery, ends)
    while await wait.pending(OTHER_STALLED_SECONDS):
        try:
            async with feeding(settings) as session:
                await _feed(session, wait)
        except RewoundError:
            continue  # the other feeder has moved the positions: start from there
        except NewerRecordError as error:
            raise GatewayError(
                f"The feed was not numbered: {error}. Recover with the version that wrote it."
            ) from error


async def _feed(session: Session | None, wait: Wait) -> None:
    """With this session; without one another feeder is running, and may end at any time."""
    if session is None:
        await asyncio.sleep(LOOK_EVERY_SECONDS)
        return
    wait.restart()  # a session compares what the log has before its first turn, and moves nothing meanwhile
    while True:
        await session.turn()
        if not await wait.pending(STALLED_SECONDS):
            return


async def _ends(settings: Settings) -> dict[int, int]:
    """Partition -> the end of its events; none of an empty partition, for which no position is stored."""
    async with log_reader(settings) as reader:
        spans = await reader.spans(await reader.partitions([EVENTS]), Start())
    return {place.partition: end for place, (first, end) in spans.items() if first < end}


class Wait:
    """Until the stored positions have reached these ends, for as long as they move."""

    def __init__(self, recovery: Recovery, ends: dict[int, int]) -> None:
        self._connection, self._ends = recovery.connection, ends
        self._seen: dict[int, int] = {}
        self._moved_at = time.monotonic()

    def restart(self) -> None:
        """Count from now: until now this process was running."""
        self._moved_at = time.monotonic()

    async def pending(self, seconds: float) -> list[int]:
        """Partitions that are not numbered to the end. Raises GatewayError if none has moved for so long."""
        positions = await read_positions(self._connection)
        if positions != self._seen:
            self._seen, self._moved_at = positions, time.monotonic()
        left = sorted(number for number, end in self._ends.items() if positions.get(number, 0) < end)
        if left and time.monotonic() - self._moved_at > seconds:
            at = f"{EVENTS}/{left[0]}, offset {positions.get(left[0], 0):,} of {self._ends[left[0]]:,}"
            raise GatewayError(
                f"The events are recovered, but the feed did not move for {seconds:.0f} s ({at}). Check the "
                "log with `gateway health`, then run `gateway recover --apply` again: it goes on from here."
            )
        return left
