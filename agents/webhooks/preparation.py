"""The dispatcher's first step: what a delivery record means, given the current row and endpoint.

Prepared   make the attempt
Aside      no attempt: the endpoint is disabled (held) or deleted (dead)
Repeat     the attempt was made before; only its consequences may be missing
None       nothing to do: another record stands for the row
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import orjson

from domain.delivery import DeliveryStatus, Due, Prepared
from domain.signature import Secrets
from runtime.keyring import KeyRing
from runtime.secrets import Sealed, SealError, unseal
from store.webhooks.attempt_batch import Loaded, Skipped

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A record that was acted upon before: the row is ahead of it."""

    row: Loaded


@dataclass(frozen=True, slots=True)
class Unsealable:
    """The endpoint's secret or headers cannot be opened: the key is not in the ring, or the ciphertext belongs to
    another row."""

    prepared: Prepared


def prepare(due: Due, row: Loaded, *, ring: KeyRing, at: datetime) -> Prepared | Unsealable | Skipped | Repeat | None:
    """What to do about `due`. Does no I/O."""
    if row.status in (DeliveryStatus.SUCCESS, DeliveryStatus.FAILED) or row.attempts >= due.attempt:
        return Repeat(row)
    if row.status == DeliveryStatus.HELD or row.attempts != due.attempt - 1:
        return None
    if row.deleted:
        return Skipped(row.id, row.payment_id, row.endpoint_id, DeliveryStatus.FAILED)
    if not row.active:
        return Skipped(row.id, row.payment_id, row.endpoint_id, DeliveryStatus.HELD)
    try:
        secrets, headers = _secrets(row, ring, at), _headers(row, ring)
    except SealError:
        return Unsealable(_prepared(due, row, Secrets(""), ()))
    return _prepared(due, row, secrets, headers)


def _prepared(due: Due, row: Loaded, secrets: Secrets, headers: Headers) -> Prepared:
    assert row.url is not None
    return Prepared(
        due=due,
        event_id=row.event_id,
        payment_id=row.payment_id,
        url=row.url,
        body=row.body,
        secrets=secrets,
        schedule_from=row.schedule_from,
        replay=row.replay,
        merchant_id=row.merchant_id,
        headers=headers,
        razorpay=row.razorpay,
    )


def _secrets(row: Loaded, ring: KeyRing, at: datetime) -> Secrets:
    assert row.secret_sealed is not None
    current = _unsealed(row.secret_sealed, ring, Sealed.WEBHOOK_SECRET, row.endpoint_id)
    if not row.previous_secrets_sealed:
        return Secrets(current)
    earlier = zip(row.previous_secrets_sealed, row.previous_secrets_expire_at or (), strict=True)
    still = [sealed for sealed, ends_at in earlier if ends_at > at]
    return Secrets(current, tuple(_unsealed(sealed, ring, Sealed.WEBHOOK_SECRET, row.endpoint_id) for sealed in still))


def _headers(row: Loaded, ring: KeyRing) -> Headers:
    if row.headers_sealed is None:
        return ()
    return tuple(orjson.loads(_unsealed(row.headers_sealed, ring, Sealed.WEBHOOK_HEADERS, row.endpoint_id)).items())


@lru_cache(maxsize=4_096)
def _unsealed(sealed: bytes, ring: KeyRing, kind: Sealed, row_id: str) -> str:
    return unseal(sealed, ring, kind, row_id)
