"""Which event a record is and whose, by its bytes alone."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

import topics
from agents.webhooks.planner import concerning
from domain.event import EventType
from topics.identity import event_identity, event_merchant

BODY = "0Ab3xZQwErTyUiOp"
SAMPLES = Path(topics.__file__).parent / "samples"


def test_the_identity_is_read_from_the_records_beginning() -> None:
    assert event_identity(b'{"id":"evt_%b_12","type":"payment.success"}' % BODY.encode()) == (f"order_{BODY}", 12)


@pytest.mark.parametrize(
    "value",
    [None, b"", b"\xff", b'{"id":"cmd_1","type":"x"}', b'{"id":"evt_short_1","type":"x"}',
     b'{"id":"evt_%b_0","type":"x"}' % BODY.encode(), b'{"id": "evt_%b_1","type":"x"}' % BODY.encode()],
)  # fmt: skip
def test_a_record_that_is_not_our_event_has_none(value: bytes | None) -> None:
    assert event_identity(value) is None


@pytest.mark.parametrize("name", sorted(event.value for event in EventType))
def test_the_merchant_is_read_where_events_have_it(name: str) -> None:
    record = orjson.loads((SAMPLES / f"{name}.json").read_bytes())
    assert event_merchant(orjson.dumps(record)) == record["body"]["merchant_id"]


def test_no_text_in_a_record_can_stand_for_its_merchant() -> None:
    record = orjson.loads((SAMPLES / "payment.success.json").read_bytes())
    record["request_id"] = ',"body":{"order_id":"order_1","merchant_id":"mrc_another",'
    assert event_merchant(orjson.dumps(record)) == record["body"]["merchant_id"]


@pytest.mark.parametrize(
    "value",
    [None, b"", b"\xff", b'{"id":"evt_1","body":{"merchant_id":"mrc_1","order_id":"order_1","sequence":1}}',
     b'{"id":"evt_1", "body": {"order_id": "order_1", "merchant_id": "mrc_1", "sequence": 1}}',
     b'{"id":"evt_1","body":{"order_id":"order_1","merchant_id":"mrc_\\u0031","sequence":1}}'],
)  # fmt: skip
def test_of_a_record_in_another_form_only_decoding_yields_the_merchant(value: bytes | None) -> None:
    assert event_merchant(value) is None


def test_the_planner_reads_events_of_merchants_with_endpoints_and_what_it_cannot_tell() -> None:
    assert concerning([("mrc_1", "a"), ("mrc_2", "b"), (None, "c")], {"mrc_1": []}) == ["a", "c"]
