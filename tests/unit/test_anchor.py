"""The anchor's chains: what they prove, and where they locate a change of the history."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.audit.verify.anchor import MARKS_MAX, Anchor, AnchorFile, Chain, Heads, decoded, encoded
from ops.console.errors import GatewayError

RECORDS = [b"%d" % number for number in range(1_000)]


def chain(records: list[bytes], against: Heads | None = None) -> Chain:
    made = Chain(against)
    for record in records:
        made.add(record)
    return made


KNOWN = chain(RECORDS).heads


def test_a_history_that_only_grew_is_unchanged() -> None:
    assert chain([*RECORDS, b"more"], KNOWN).difference is None


def test_a_history_without_its_tail_is_shorter_and_its_beginning_is_proved() -> None:
    message = chain(RECORDS[:700], KNOWN).difference
    assert message is not None
    assert "is shorter than the anchor: 700 records of 1,000; the first 640 are surely unchanged" in message


@given(st.integers(0, 999))
def test_a_change_is_found_wherever_it_is_and_narrowed_down(place: int) -> None:
    changed = [*RECORDS]
    changed[place] += b"!"
    message = chain(changed, KNOWN).difference
    assert message is not None
    first, last = (int(word.replace(",", "")) for word in message.split() if word.replace(",", "").isdigit())
    assert first <= place + 1 <= last
    assert last - first < 64


@pytest.mark.parametrize("place", [0, 63, 64, 500])
def test_a_record_that_was_added_removed_or_moved_is_found(place: int) -> None:
    added = [*RECORDS[:place], b"x", *RECORDS[place:]]
    removed = [*RECORDS[:place], *RECORDS[place + 1 :], b"end"]
    moved = [*RECORDS[:place], RECORDS[place + 1], RECORDS[place], *RECORDS[place + 2 :]]
    for history in (added, removed, moved):
        assert "changed somewhere" in (chain(history, KNOWN).difference or "")


def test_an_empty_chain_proves_nothing_and_breaks_nothing() -> None:
    assert chain(RECORDS, Chain().heads).difference is None
    assert chain([], Chain().heads).difference is None


def test_the_marks_of_a_long_chain_are_few_and_evenly_spread() -> None:
    heads = chain([b"x"] * 50_000).heads
    assert MARKS_MAX / 2 <= len(heads.marks) <= MARKS_MAX
    strides = {later.count - earlier.count for earlier, later in zip(heads.marks, heads.marks[1:], strict=False)}
    assert len(strides) == 1


def test_the_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    anchor = Anchor("7f9c", "2030-01-31T12:00:00+00:00", 815, (KNOWN, Chain().heads), (Chain().heads, KNOWN))
    assert decoded(encoded(anchor)) == anchor
    file = AnchorFile.read(tmp_path / "anchor.json")
    assert file.anchor is None
    file.write(anchor)
    assert AnchorFile.read(tmp_path / "anchor.json").anchor == anchor
    assert [path.name for path in tmp_path.iterdir()] == ["anchor.json"]


def test_the_format_of_the_file_stays() -> None:
    found = orjson.loads(encoded(Anchor("7f9c", "2030-01-31T12:00:00+00:00", 815, (KNOWN,), (KNOWN,))))
    assert (found["format"], found["version"], found["hash"]) == ("gateway-anchor", 2, "blake2b-256")
    assert found["topic"]["partitions"][0]["head"] == KNOWN.head
    assert KNOWN.head == "846ffa3cc0aa89bf679dc515326f3334b3eb00345d3a7865fbdc2f9938b10400"


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"format":"gateway-anchor","version":1,"hash":"blake2b-256"}']
)
def test_a_file_that_is_not_an_anchor_is_refused_with_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "anchor.json"
    path.write_bytes(content)
    with pytest.raises(GatewayError, match="is not an anchor that this version can read"):
        AnchorFile.read(path)
    assert path.read_bytes() == content


def test_the_anchor_of_another_deployment_is_refused(tmp_path: Path) -> None:
    anchor = Anchor("7f9c", "2030-01-31T12:00:00+00:00", 815, (KNOWN,), (KNOWN,))
    file = AnchorFile(tmp_path / "anchor.json", anchor)
    file.refuse_foreign("7f9c", 1)
    with pytest.raises(GatewayError, match="anchor of another deployment: 7f9c, this is 1111"):
        file.refuse_foreign("1111", 1)
    file.refuse_foreign("7f9c", 12)  # the log has grown since
    five = AnchorFile(tmp_path / "anchor.json", replace(anchor, topic=(KNOWN,) * 5, table=(KNOWN,) * 5))
    with pytest.raises(GatewayError, match="has 5 partitions, the topic has 12"):
        five.refuse_foreign("7f9c", 12)
