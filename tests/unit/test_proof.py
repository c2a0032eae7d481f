"""The signature of the bank's reports: what it covers, which keys verify it, and what the rule accepts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from agents.bank.port import ActionRequired, BankResult, Report
from agents.bank.settlement import settle_record
from domain.action import ActionType, NextAction
from domain.outcome import Outcome
from runtime.clock import now
from runtime.keyring import GatewayKey, KeyRing
from runtime.settings import Settings
from tests.unit.orders import FIRST, ORDER
from topics.producer import Record
from topics.proof import HEADER_SIGNATURE, Proofs, SignatureRule, proofs_of, signed

OLD = GatewayKey("old", SecretStr("x9Tq-4mVbN7wR2zLc8_dYf6hKs1gPj3E"))
NEW = GatewayKey("new", SecretStr("Zk3vQm7r-0aXyW1tBn8sLd5_fGhJ2kPq"))
RING = KeyRing((NEW, OLD))
REQUIRED, ACCEPTED = Proofs(RING, SignatureRule.REQUIRED), Proofs(RING, SignatureRule.ACCEPTED)
RECORD = Record("payments.commands.v1", 0, b"order_1", b'{"id":"stl_1"}', [("type", b"payment.settle")])
SETTINGS = Settings(test_mode=True)


def fault(proofs: Proofs, record: Record) -> str | None:
    return proofs.fault_of(record.key, record.value, record.headers)


@pytest.mark.parametrize("ring", [RING, KeyRing((OLD,)), KeyRing((OLD, NEW))])
def test_what_any_key_of_the_ring_has_signed_is_proved(ring: KeyRing) -> None:
    assert fault(REQUIRED, signed(RECORD, ring)) is None


def test_a_signature_never_changes_between_releases() -> None:
    """A vector: with another one, what stands on the log at an upgrade would be forged."""
    (_, signature) = signed(RECORD, RING).headers[-1]
    assert signature == b"v1:4a0f7da4:dcbba16554480254aa328b7b980227a4ab9e857efb151c1e6955dc08cb71489a"


def test_an_unsigned_record_counts_only_where_the_rule_accepts_it() -> None:
    assert fault(REQUIRED, RECORD) == "it has no signature"
    assert fault(ACCEPTED, RECORD) is None


@pytest.mark.parametrize("proofs", [REQUIRED, ACCEPTED], ids=["required", "accepted"])
def test_a_wrong_signature_never_counts(proofs: Proofs) -> None:
    good = signed(RECORD, RING)
    (_, signature) = good.headers[-1]
    assert signature is not None
    twice = replace(good, headers=[*good.headers, (HEADER_SIGNATURE, signature)])
    strangers = signed(RECORD, KeyRing((GatewayKey("x", SecretStr("a stranger's")),)))
    for record in (
        replace(good, value=b'{"id":"stl_2"}'),
        replace(good, key=b"order_2"),
        replace(good, key=b"order_1{", value=b'"id":"stl_1"}'),
        replace(good, key=None, value=None),
        twice,
        strangers,
    ):
        assert fault(proofs, record) is not None


@given(st.binary(max_size=100) | st.none())
def test_no_header_of_a_stranger_proves_anything_or_breaks_the_check(content: bytes | None) -> None:
    assert fault(ACCEPTED, replace(RECORD, headers=[(HEADER_SIGNATURE, content)])) is not None


@given(st.integers(0, 8 * 76 - 1))
def test_no_bit_of_a_signature_can_be_turned(bit: int) -> None:
    *_, (name, signature) = signed(RECORD, RING).headers
    turned = bytearray(signature or b"")
    turned[bit // 8] ^= 1 << bit % 8
    assert fault(REQUIRED, replace(RECORD, headers=[(name, bytes(turned))])) is not None


@pytest.mark.parametrize(
    "report",
    [
        BankResult(FIRST, Outcome.SUCCESS, None, None, "bank_1"),
        BankResult("rfnd_0000000000000001", Outcome.FAILED, "REFUND_FAILED", None, "bank_1"),
        ActionRequired(FIRST, NextAction(ActionType.REDIRECT, "https://bank.example/", now())),
    ],
    ids=["payment", "refund", "step"],
)
def test_every_report_of_the_bank_is_signed_by_the_process_that_passes_it_on(report: Report) -> None:
    record = settle_record(report, order_id=ORDER, caused_by=None, request_id=None, settings=SETTINGS)
    assert fault(proofs_of(SETTINGS), record) is None
    assert fault(proofs_of(SETTINGS), replace(record, headers=[])) == "it has no signature"


def test_the_rule_is_required_unless_set() -> None:
    assert proofs_of(SETTINGS).rule is SignatureRule.REQUIRED
    assert proofs_of(Settings(test_mode=True, settlement_signatures="accepted")).rule is SignatureRule.ACCEPTED
