"""JSON columns of the double's tables: notes, and a payer's request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import orjson

from topics.razorpay.entities import Payer

PAYER_FIELDS = ("email", "contact", "description", "customer_id", "card_name")


def packed(document: Mapping[str, Any] | None) -> str | None:
    return None if document is None else orjson.dumps(document).decode()


def unpacked(column: str | None) -> dict[str, Any] | None:
    return None if column is None else dict(orjson.loads(column))


def payer_column(payer: Payer) -> str:
    """Everything but the notes, which may change later and have a column of their own."""
    return orjson.dumps({name: value for name, value in asdict(payer).items() if name in PAYER_FIELDS}).decode()


def payer_of(column: str | None, notes: Mapping[str, Any]) -> Payer:
    fields = unpacked(column) or {}
    return Payer(**{name: fields.get(name) for name in PAYER_FIELDS}, notes=notes)
