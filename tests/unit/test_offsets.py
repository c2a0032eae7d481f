"""What a consumer may commit: never past unfinished work, and the same again until the broker has acknowledged it."""

from __future__ import annotations

from aiokafka import TopicPartition

from agents.consumer import Mark, Offsets

FIRST, SECOND = TopicPartition("t", 0), TopicPartition("t", 1)


def begun(offsets: Offsets, partition: TopicPartition, *numbers: int) -> list[Mark]:
    offsets.taken([partition])
    return [offsets.begin(partition, number) for number in numbers]


def test_nothing_past_an_unfinished_record_is_committed() -> None:
    offsets = Offsets()
    first, second, third = begun(offsets, FIRST, 7, 8, 9)
    offsets.done(third)
    offsets.done(second)
    assert offsets.committable() == {}
    offsets.done(first)
    assert offsets.committable() == {FIRST: 10}


def test_what_is_not_acknowledged_is_committed_again() -> None:
    offsets = Offsets()
    (mark,) = begun(offsets, FIRST, 4)
    offsets.done(mark)
    assert offsets.committable() == offsets.committable() == {FIRST: 5}
    offsets.committed({FIRST: 5})
    assert offsets.committable() == {}


def test_an_acknowledgement_covers_only_what_was_sent() -> None:
    offsets = Offsets()
    first, second = begun(offsets, FIRST, 4, 5)
    offsets.done(first)
    sent = offsets.committable()
    offsets.done(second)
    offsets.committed(sent)
    assert offsets.committable() == {FIRST: 6}


def test_an_older_offset_never_replaces_a_younger_one() -> None:
    offsets = Offsets()
    for mark in begun(offsets, FIRST, 4, 5):
        offsets.done(mark)
    offsets.committed({FIRST: 6})
    offsets.committed({FIRST: 5})
    # read again from an earlier place, as the jobs do after a loss of Redis
    (again,) = begun(offsets, FIRST, 2)
    offsets.done(again)
    assert offsets.committable() == {}


def test_a_partition_that_changed_hands_leaves_nothing_behind() -> None:
    offsets = Offsets()
    done, open_ = begun(offsets, FIRST, 4, 5)
    (other,) = begun(offsets, SECOND, 1)
    offsets.done(done)
    offsets.forget([FIRST])
    offsets.done(open_)
    offsets.done(other)
    assert offsets.committable() == {SECOND: 2}
    offsets.committed({FIRST: 5})
    for mark in begun(offsets, FIRST, 3):
        offsets.done(mark)
    assert offsets.committable() == {FIRST: 4, SECOND: 2}


def test_a_record_that_begins_after_its_partition_changed_hands_commits_nothing() -> None:
    # Given records that were read, but not begun before a rebalance,
    offsets = Offsets()
    offsets.taken([FIRST])
    offsets.forget([FIRST])
    stale = offsets.begin(FIRST, 9)
    # when the partition comes back and is read from an earlier place,
    begun(offsets, FIRST, 4, 5)
    offsets.done(stale)
    # then the stale record commits nothing past those that are under way.
    assert offsets.committable() == {}
    assert offsets.open_count() == 2
