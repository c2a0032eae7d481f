"""Batches that aiokafka cannot read, as the broker would send them: a consumer reads on and loses nothing silently."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agents.letters import has_type, letters_of
from topics import batches
from topics.batches import HEADER, TRIES, Batches, PartitionRecords, UnreadableBatch
from topics.catalogue import COMMANDS, EVENTS
from topics.envelope import UndecodableError, decode

CRC_AT, ATTRIBUTES_AT, FIRST_RECORD_AT = 17, 21, 61
GZIP = 1
ROOT = Path(__file__).parents[2]
PLACE = TopicPartition(COMMANDS, 3)


def batch(base: int, *values: bytes, header: str = "type", codec: int = 0) -> bytearray:
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 100_000)
    for number, value in enumerate(values):
        builder.append(number, 1_770_000_000_000, b"k", value, [(header, b"order.create")])
    built = bytearray(builder.build())
    struct.pack_into(">q", built, 0, base)
    return built


def with_crc(built: bytearray) -> bytes:
    struct.pack_into(">I", built, CRC_AT, calc_crc32c(bytes(built[ATTRIBUTES_AT:])))
    return bytes(built)


def bad_name(base: int, *values: bytes) -> bytes:
    """A batch whose headers' names are not UTF-8."""
    return with_crc(bytearray(bytes(batch(base, *values, header="qqqq")).replace(b"qqqq", b"q\xff\xfeq")))


def bad_structure(base: int, *values: bytes) -> bytes:
    """A batch whose first record is longer than the batch by its own account."""
    built = batch(base, *values)
    built[FIRST_RECORD_AT] ^= 0x55
    return with_crc(built)


def bad_crc(base: int, *values: bytes) -> bytes:
    built = batch(base, *values)
    built[-3] ^= 0x55
    return bytes(built)


def read(data: bytes, at: int = 0) -> tuple[list[Any], int]:
    """What a consumer gets of one fetch, and where it fetches next."""
    records = PartitionRecords(PLACE, Batches(data), None, at, None, None, True, 0)
    return list(records), records.next_fetch_offset


def read_until_past(data: bytes, end: int, at: int = 0) -> list[Any]:
    """As a consumer fetches: again and again from where it is."""
    got: list[Any] = []
    for _ in range(TRIES * 5):
        if at >= end:
            return got
        found, at = read(data, at)
        got += found
    raise AssertionError(f"stands still at {at}")


GOOD_BEFORE, GOOD_AFTER = bytes(batch(0, b"a", b"b")), bytes(batch(5, b"f"))


@pytest.mark.parametrize("bad", [bad_name, bad_structure, bad_crc])
def test_aiokafka_alone_stops_at_such_a_batch(bad: Any) -> None:
    data = GOOD_BEFORE + bad(2, b"c", b"d", b"e") + GOOD_AFTER
    alone = PartitionRecords.__base__
    assert alone is not None
    records = alone(PLACE, batches.MemoryRecords(data), None, 2, None, None, True, 0)
    with pytest.raises((CorruptRecordException, UnicodeDecodeError)):
        list(records)
    assert records.next_fetch_offset == 2


def test_consumers_made_afterwards_read_on() -> None:
    batches.read_on()
    assert (fetcher.PartitionRecords, fetcher.MemoryRecords) == (PartitionRecords, Batches)


def test_whoever_makes_a_consumer_lets_it_read_on_first() -> None:
    folders = ("agents", "api", "ops", "store", "topics")
    sources = {path: path.read_text() for folder in folders for path in (ROOT / folder).rglob("*.py")}
    makers = [path for path, text in sources.items() if re.search(r"AIOKafkaConsumer\(|EagerTransport\(app", text)]
    assert len(makers) >= 4
    assert [path for path in makers if "    read_on()" not in sources[path]] == []


def test_a_header_whose_name_is_not_utf_8_costs_no_record() -> None:
    got = read_until_past(GOOD_BEFORE + bad_name(2, b"c", b"d", b"e") + GOOD_AFTER, 6)
    assert [(one.offset, one.value) for one in got] == list(enumerate([b"a", b"b", b"c", b"d", b"e", b"f"]))
    assert got[3].headers == (("q\\xff\\xfeq", b"order.create"),)
    assert b"q\\xff\\xfeq"


@pytest.mark.parametrize("bad", [bad_structure, bad_crc])
def test_what_cannot_be_read_is_one_record_that_names_the_offsets(bad: Any) -> None:
    raw = bad(2, b"c", b"d", b"e")
    got = read_until_past(GOOD_BEFORE + raw + GOOD_AFTER, 6)
    assert [one.offset for one in got] == [0, 1, 4, 5]
    unreadable = got[2]
    assert isinstance(unreadable, UnreadableBatch)
    assert (unreadable.topic, unreadable.partition, unreadable.value) == (COMMANDS, 3, raw)
    ((name, why),) = unreadable.headers
    assert (name, why.startswith(b"offsets 2 to 4: ")) == (HEADER, True)


def test_a_wrong_checksum_is_fetched_again_before_it_is_believed() -> None:
    data = GOOD_BEFORE + bad_crc(2, b"c") + GOOD_AFTER
    assert [len(read(data, 2)[0]) for _ in range(TRIES - 1)] == [0] * (TRIES - 1)
    assert read(data, 2)[1] == 6
    # What the network damaged once is read as it is in the log.
    assert read(data, 2)[0] == []
    assert [one.value for one in read(GOOD_BEFORE + bytes(batch(2, b"c")), 2)[0]] == [b"c"]


def test_a_compressed_batch_that_does_not_unpack_is_unreadable() -> None:
    built = batch(0, b"a" * 500, codec=GZIP)
    built[FIRST_RECORD_AT + 5] ^= 0x55
    del built[-4:]
    struct.pack_into(">i", built, 8, len(built) - 12)
    (one,) = read_until_past(with_crc(built), 1)
    assert isinstance(one, UnreadableBatch)


@pytest.mark.parametrize("topic", [COMMANDS, EVENTS])
def test_every_reader_takes_it_and_makes_a_dead_letter_of_it(topic: str) -> None:
    raw = bad_structure(2, b"c", b"d")
    records = PartitionRecords(TopicPartition(topic, 0), Batches(raw), None, 2, None, None, True, 0)
    (unreadable,) = records
    assert has_type(unreadable, {b"payment.success"})
    with pytest.raises(UndecodableError) as error:
        decode(unreadable.value)
    (letter,) = letters_of(unreadable, error.value, at=datetime(2030, 1, 1, tzinfo=UTC))
    body = decode(letter.value).body
    assert body["origin"] == {"topic": topic, "partition": 0, "offset": 3}
    assert body["headers"][HEADER].startswith("offsets 2 to 3: ")


@settings(max_examples=int(os.environ.get("HOSTILE_RECORDS", "100")), deadline=None)
@given(st.binary(max_size=60), st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 255)), min_size=1, max_size=4))
def test_whatever_bytes_a_batch_is_made_of_the_next_batch_is_read(
    value: bytes, changes: Sequence[tuple[int, int]]
) -> None:
    built = batch(2, value, b"d", b"e")
    for place, flipped in changes:
        built[FIRST_RECORD_AT + place % (len(built) - FIRST_RECORD_AT)] ^= flipped
    got = read_until_past(GOOD_BEFORE + with_crc(built) + GOOD_AFTER, 6)
    assume(all(one.offset <= 5 for one in got))  # the broker checks the offsets within a batch
    assert got[-1].value == b"f"
    assert got[-1].offset == 5
