"""The simulated bank's notifications: JSON, signed with a key that bank and gateway share.

    written(report, key) -> (headers, body)          read(headers, body, key) -> the report

X-Bank-Signature: hex HMAC-SHA256 of the body. A replayed notification is harmless, so it carries no timestamp.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

import orjson

from agents.bank.port import BankResult, ForgedError, UnreadableError
from domain.outcome import Outcome
from topics.codec import TURN_MAX

SIGNATURE = "x-bank-signature"


def written(result: BankResult, key: bytes) -> tuple[dict[str, str], bytes]:
    """Headers and body of the notification about this report."""
    body = orjson.dumps(
        {
            "attempt_id": result.attempt_id,
            "outcome": result.outcome,
            "error_code": result.error_code,
            "error_description": result.error_description,
            "reference": result.reference,
            "turn": result.turn,
        }
    )
    return {"Content-Type": "application/json", SIGNATURE: signature(body, key)}, body


def read(headers: Mapping[str, str], body: bytes, key: bytes) -> BankResult:
    """Raises ForgedError, or UnreadableError for a signed body that is not a notification."""
    given = headers.get(SIGNATURE, "")
    if not (given.isascii() and hmac.compare_digest(given, signature(body, key))):
        raise ForgedError("the signature is missing" if not given else "the signature is wrong")
    try:
        found = orjson.loads(body)
        turn = found["turn"]
        if type(turn) is not int or not 0 <= turn <= TURN_MAX:
            raise ValueError(f"turn must be between 0 and {TURN_MAX}")
        return BankResult(
            attempt_id=_text(found["attempt_id"]),
            outcome=Outcome(found["outcome"]),
            error_code=_text_or_none(found["error_code"]),
            error_description=_text_or_none(found["error_description"]),
            reference=_text(found["reference"]),
            turn=turn,
        )
    except (ValueError, TypeError, KeyError) as error:
        raise UnreadableError(repr(error)) from error


def signature(body: bytes, key: bytes) -> str:
    """The value of the header SIGNATURE."""
    return hmac.new(key, body, hashlib.sha256).hexdigest()


def _text(value: object) -> str:
    if not isinstance(value, str) or not value or len(value) > 255 or "\0" in value:
        raise ValueError("a text of the notification is missing or not usable")
    return value


def _text_or_none(value: object) -> str | None:
    return None if value is None else _text(value)
