"""Numbers in the documents are those of the code: each sentence is built from the constants and must occur there."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from agents.bank.simulated import SILENCE_SECONDS
from agents.webhooks import bulk, lanes, names, sender, upkeep
from api import server, startup
from api.access import second_factor
from api.app import RESPONSE_SECONDS_BEYOND_DECISION
from api.http.bodies import BODY_BYTES_MAX
from api.routes import stream
from domain import custom_headers, delivery, retry, signature
from domain.link import RESENT_MAX
from domain.order import EXPIRES_AFTER_MAX, EXPIRES_AFTER_MIN
from runtime.settings import (
    LIVE_RETRY_DELAYS_SECONDS,
    PERSONAL_FIELDS_DAYS_MIN,
    TEST_RETRY_DELAYS_SECONDS,
    Settings,
)
from store.accounts import invitations, password_resets
from store.redis.heartbeats import EXPIRES_SECONDS
from store.webhooks.endpoints import ENDPOINTS_MAX
from topics.catalogue import DAY_MS, SEGMENT_MS

ROOT = Path(__file__).parents[2]
TEST = Settings(test_mode=True)
LIVE = TEST.model_copy(update={"test_mode": False})
LIVE_SECONDS, TEST_SECONDS = sum(LIVE_RETRY_DELAYS_SECONDS), TEST_RETRY_DELAYS_SECONDS
WORDS = {2: "two", 4: "four", 5: "five", 8: "eight", 10: "ten", 12: "twelfth", 20: "twenty"}


def words(number: float) -> str:
    """As the documents write it: a word, where a whole number has one."""
    return WORDS.get(int(number), f"{number:g}") if number == int(number) else f"{number:g}"


def step(seconds: int) -> str:
    """One column of the schedule: `5 s`, `2 m`, `24 h`; `–` for none."""
    for unit, length in (("h", 3_600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} s" if seconds else "–"


def span(seconds: int) -> str:
    return f"{seconds // 3_600} h {seconds % 3_600 // 60} min"


def listed(values: tuple[int, ...]) -> str:
    return f"{', '.join(map(str, values[:-1]))} and {values[-1]}"


WEBHOOKS = (
    f"| wait before it | {' | '.join(map(step, LIVE_RETRY_DELAYS_SECONDS))} |",
    f"After the {words(len(LIVE_RETRY_DELAYS_SECONDS))} failure ({span(LIVE_SECONDS)} without jitter)",
    f"gets ±{retry.JITTER:.0%} jitter".replace("%", " %"),
    f"{words(len(TEST_SECONDS))} attempts, at {listed(TEST_SECONDS)} s",
    f"{sender.CONNECT_SECONDS:g} s to connect, {LIVE.delivery_timeout_ms // 1_000} s in total"
    f" ({TEST.delivery_timeout_ms // 1_000} s in test mode)",
    f"the first {delivery.RESPONSE_CHARACTERS_MAX:,} characters of your response's body"
    f" (at most {delivery.RESPONSE_BYTES_MAX // 1_024} KiB are read)",
    f"the first {delivery.RESPONSE_HEADERS_CHARACTERS_MAX:,} characters of its headers",
    f"up to {custom_headers.HEADERS_MAX} headers to every request of an endpoint,"
    f" {custom_headers.CHARACTERS_MAX:,} characters in total",
    f"at most {lanes.SHARE} requests in flight, a merchant at most {lanes.MERCHANT_SHARE}",
    f"in flight for {words(lanes.SLOW_AFTER_SECONDS)} seconds,"
    f" or a delivery has waited {words(lanes.LINE_SECONDS)} seconds",
    f"at most {words(names.LOOKUPS_MAX)} look-ups in flight",
    f"takes at most {names.LOOKUP_SECONDS:g} s; a name that failed is not looked up again for"
    f" {words(names.FAILURE_SECONDS)} seconds",
    f"kept for {words(names.FOUND_SECONDS)} seconds",
    f"{words(delivery.BREAK_AFTER_FAILURES)} failures in a row, over a day or more",
    f"{bulk.CHUNK / bulk.CHUNK_SECONDS:g} deliveries a second",
    f"keeps signing for {delivery.ROTATION_OVERLAP // timedelta(hours=1)} hours",
    f"At most {words(delivery.PREVIOUS_SECRETS_MAX)} earlier secrets",
    f"the base64 of {signature.SECRET_BYTES_MIN} to {signature.SECRET_BYTES_MAX} random bytes",
    f"{ENDPOINTS_MAX} endpoints for each merchant",
    f"kept for `WEBHOOK_ATTEMPT_RETENTION_DAYS` ({LIVE.webhook_attempt_retention_days})",
)
PAYMENTS = (
    f"`expires_at` is {EXPIRES_AFTER_MIN // timedelta(minutes=1)} minutes to {EXPIRES_AFTER_MAX.days} days ahead",
    f"A link can be resent at most {RESENT_MAX} times",
)
COMMANDS_DAYS = LIVE.command_retention_days
COMMANDS_DAYS_MAX = COMMANDS_DAYS + SEGMENT_MS // DAY_MS
PRIVACY = (
    f"| `payments.commands.v1` | {COMMANDS_DAYS} to {COMMANDS_DAYS_MAX} days | `COMMAND_RETENTION_DAYS` |",
    f"| inbox, promises | {LIVE.idempotency_retention_days} days | `IDEMPOTENCY_RETENTION_DAYS` |",
    f"| `webhook_attempts` | {LIVE.webhook_attempt_retention_days} days | `WEBHOOK_ATTEMPT_RETENTION_DAYS` |",
    f"| Redis | {LIVE.session_idle_minutes} minutes without a request, {LIVE.session_hours} hours at most |"
    " `SESSION_IDLE_MINUTES`, `SESSION_HOURS` |",
    f"`PERSONAL_FIELDS_DAYS` is at least {PERSONAL_FIELDS_DAYS_MIN}, because an order may be paid for"
    f" {EXPIRES_AFTER_MAX.days} days",
)
SECURITY = (
    f"A body: {BODY_BYTES_MAX // 1_024} KiB, then 413. A head: {server.HEAD_BYTES_MAX // 1_024} KiB as it arrives",
    f"A connection without a complete head: {server.HEAD_SECONDS_MAX:g} s",
    f"timeout and {RESPONSE_SECONDS_BEYOND_DECISION:g} s"
    f" ({LIVE.decision_timeout_ms / 1_000 + RESPONSE_SECONDS_BEYOND_DECISION:g} s by default)",
    f"{startup.PAYERS_MAX:,} payers' streams, at most {startup.PAYERS_PER_MERCHANT_MAX:,} of them of one merchant",
    f"{startup.FEEDS_MAX:,} live feeds",
    f"an invitation for {invitations.LASTS // timedelta(hours=1)} hours",
    f"After {words(second_factor.WRONG_MAX)} wrong codes, less",
    f"A live feed ends at most {stream.CHECK_EVERY_SECONDS:g} seconds after its key or session",
)
TESTING = (
    f"exactly `TEST_PROCESSING_DELAY` milliseconds ({TEST.test_processing_delay})",
    f"the bank is silent for {SILENCE_SECONDS:g} seconds",
    f"({LIVE.processing_delay_min // 1_000} to {LIVE.processing_delay_max // 1_000} s)",
    f"`UPI_SUCCESS_RATE` ({LIVE.upi_success_rate:.2f}) and `CARD_SUCCESS_RATE` ({LIVE.card_success_rate:.2f})",
)
RUNBOOK = (f"has written a heartbeat for {EXPIRES_SECONDS} seconds",)
RAZORPAY = (f"retried for {LIVE_SECONDS // 3_600} hours",)
ENVIRONMENT = (
    f"# at least one more than a command can stay on the log ({COMMANDS_DAYS_MAX})",
    f"WEBHOOK_ATTEMPT_RETENTION_DAYS={LIVE.webhook_attempt_retention_days}",
)
STATED = [
    *(("docs/WEBHOOKS.md", sentence) for sentence in WEBHOOKS),
    *(("docs/PAYMENTS.md", sentence) for sentence in PAYMENTS),
    *(("docs/PRIVACY.md", sentence) for sentence in PRIVACY),
    *(("SECURITY.md", sentence) for sentence in SECURITY),
    *(("docs/TESTING.md", sentence) for sentence in TESTING),
    *(("docs/RUNBOOK.md", sentence) for sentence in RUNBOOK),
    *(("docs/RAZORPAY.md", sentence) for sentence in RAZORPAY),
    *((".env.example", sentence) for sentence in ENVIRONMENT),
]


@pytest.mark.parametrize(("document", "sentence"), STATED, ids=[f"{name}: {one[:50]}" for name, one in STATED])
def test_a_document_states_the_number_of_the_code(document: str, sentence: str) -> None:
    text = " ".join((ROOT / document).read_text(encoding="utf-8").split())
    assert " ".join(sentence.removeprefix("# ").split()) in text


def test_a_slow_endpoint_is_one_of_which_more_than_a_quarter_is_slow() -> None:
    """The documents say a quarter; the rule is `_Share.is_slow`."""
    share = lanes._Share(size=8)
    for ticket, began_at in enumerate([0.0, 0.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0]):
        share.started[ticket] = began_at
    assert not share.is_slow(10.0 + lanes.SLOW_AFTER_SECONDS)
    share.started[2] = 0.0
    assert share.is_slow(10.0 + lanes.SLOW_AFTER_SECONDS)


def test_a_reset_link_works_for_an_hour() -> None:
    assert timedelta(hours=1) == password_resets.LASTS
    assert "a reset for an hour" in " ".join((ROOT / "SECURITY.md").read_text(encoding="utf-8").split())


def test_a_lost_delivery_is_found_after_half_a_minute() -> None:
    assert upkeep.LOST_AFTER_SECONDS == 30.0
    assert "half a minute after it was due" in " ".join((ROOT / "docs/WEBHOOKS.md").read_text(encoding="utf-8").split())
