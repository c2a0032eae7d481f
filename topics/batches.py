"""Continues where aiokafka gives up: the unreadable part of a batch becomes one undecodable record.

    a header's name is not UTF-8          the record is read, with the name's bytes escaped
    the batch's structure is broken       UnreadableBatch in place of the records that were not read
    the batch's checksum is wrong         fetched again, TRIES in all, in case the network is the cause; then the same

aiokafka raises instead, at the same offset again and again, and the partition stops. An UnreadableBatch comes
out of every consumer like a record, cannot be decoded, and so becomes a dead letter with its position and bytes.
Batches of the formats before Kafka 0.11 are left to aiokafka: no current broker sends them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from struct import unpack_from
from typing import Any, ClassVar

from aiokafka.consumer import fetcher
from aiokafka.errors import UnsupportedCodecError
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import decode_varint_py
from aiokafka.structs import ConsumerRecord, TopicPartition

from runtime.logs import get_logger

log = get_logger("batches")

TRIES = 3
HEADER = "unreadable-batch"
LENGTH_AT, LOG_OVERHEAD, MAGIC_AT = 8, 12, 16
MAGIC = 2


class UnreadableBatch(ConsumerRecord):  # type: ignore[misc]  # aiokafka is untyped
    """Unreadable records, as one: the batch's last offset, and its bytes as the value."""


class Batches:
    """aiokafka's MemoryRecords, which also keeps the bytes of the batch that it returned last."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._batches = MemoryRecords(data)
        self._begin = self._end = 0

    def size_in_bytes(self) -> int:
        size: int = self._batches.size_in_bytes()
        return size

    def has_next(self) -> bool:
        found: bool = self._batches.has_next()
        return found

    def next_batch(self) -> Any:
        (length,) = unpack_from(">i", self._data, self._end + LENGTH_AT)
        self._begin, self._end = self._end, self._end + LOG_OVERHEAD + length
        return self._batches.next_batch()

    @property
    def latest(self) -> bytes:
        return bytes(self._data[self._begin : self._end])


class PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka is untyped
    """The records of one fetch from one partition."""

    _tried: ClassVar[Counter[tuple[TopicPartition, int]]] = Counter()
    """How often a batch with a wrong checksum was fetched, in this process."""

    next_fetch_offset: int

    def _unpack_records(self) -> Iterator[ConsumerRecord]:
        while self._records.has_next():
            try:
                yield from super()._unpack_records()
            except UnsupportedCodecError:
                raise
            except Exception as error:
                raw = self._records.latest
                if len(raw) <= MAGIC_AT or raw[MAGIC_AT] < MAGIC:
                    raise
                if not self._is_worth_reading(raw):
                    return
                yield from self._rest(raw, error)

    def _is_worth_reading(self, raw: bytes) -> bool:
        """False: fetch the batch again. A checksum that stays wrong is wrong on the log, not on the network."""
        batch = DefaultRecordBatch(raw)
        if batch.validate_crc():
            return True
        place = self._tp, batch.base_offset
        self._tried[place] += 1
        if self._tried[place] < TRIES:
            return False
        del self._tried[place]
        return True

    def _rest(self, raw: bytes, error: Exception) -> Iterator[ConsumerRecord]:
        """The rest of a batch after an error in it."""
        batch = _DefaultRecordBatchPy(raw)
        last = batch.next_offset - 1
        try:
            if not batch.validate_crc():
                raise error
            left = [record for record in _leniently(batch) if record.offset >= self.next_fetch_offset]
        except Exception:
            log.critical(
                "batch_unreadable",
                place=f"{self._tp.topic}/{self._tp.partition}/{self.next_fetch_offset}-{last}",
                error=repr(error)[:300],
            )
            yield self._unreadable(raw, last, batch.max_timestamp, error)
        else:
            for record in left:
                self.next_fetch_offset = record.offset + 1
                yield self._consumer_record(self._tp, record)
        self.next_fetch_offset = last + 1

    def _unreadable(self, raw: bytes, last: int, timestamp: int, error: Exception) -> UnreadableBatch:
        why = f"offsets {self.next_fetch_offset} to {last}: {error!r}"
        self.next_fetch_offset = last + 1
        return UnreadableBatch(
            self._tp.topic, self._tp.partition, last, timestamp, 0, None, raw, None, -1, len(raw),
            ((HEADER, why[:1_000].encode("utf-8", "replace")),),
        )  # fmt: skip


def _leniently(batch: _DefaultRecordBatchPy) -> Iterator[Any]:
    """The records of a batch. Raises ValueError, IndexError or a KafkaError if they have another structure."""
    batch._maybe_uncompress()
    batch._buffer = _Lenient(batch._buffer)
    for _ in range(batch._num_records):
        yield batch._read_msg(decode_varint_py)  # the library's C implementation reads past the end of its input
    if batch._pos != len(batch._buffer):
        raise ValueError("the batch does not end with its last record")


class _Lenient(bytearray):
    """Bytes whose text can always be read: aiokafka decodes only the names of headers from it."""

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        return _Lenient(found) if isinstance(at, slice) else found

    def decode(self, encoding: str = "utf-8", _errors: str = "strict") -> str:
        return super().decode(encoding, "backslashreplace")


def read_on() -> None:
    """Let every consumer of this process continue, Faust's too; call this before making one."""
    fetcher.MemoryRecords, fetcher.PartitionRecords = Batches, PartitionRecords
