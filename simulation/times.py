"""Shorter periods for worlds, whose life is minutes: an order may expire after moments, and is awaited for seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import domain.order
import domain.rules.orders
import domain.rules.payments
import ops.audit.verify.fold
import store.deadlines

SETTLING = timedelta(seconds=4)
SHORTER = (
    (domain.order, "SETTLING_TIME", SETTLING),
    (store.deadlines, "SETTLING_TIME", SETTLING),
    (ops.audit.verify.fold, "SETTLING", SETTLING),
    (domain.rules.orders, "EXPIRES_AFTER_MIN", timedelta(0)),
    (domain.rules.payments, "RETURN_TIME", timedelta(seconds=6)),
)


@contextmanager
def shorter_times() -> Iterator[None]:
    """For as long as a world runs and is judged; afterwards the constants are what they were."""
    before = [(module, name, getattr(module, name)) for module, name, _ in SHORTER]
    try:
        for module, name, seconds in SHORTER:
            setattr(module, name, seconds)
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)
