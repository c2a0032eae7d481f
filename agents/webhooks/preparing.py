"""The dispatcher's first step: what a delivery record means, given its row and its endpoint as they stand.

Prepared   make the attempt
Aside      no attempt: the endpoint is off (held) or deleted (dead)
Repeat     the attempt was made before; only its consequences may be missing
None       nothing to do: the row waits elsewhere
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from pydantic import SecretStr

from domain.delivery import DeliveryStatus, Due, Prepared
from domain.signature import Secrets
from runtime.secrets import SealError, unseal
from store.webhook_recording import Aside, Loaded


@dataclass(frozen=True, slots=True)
class Repeat:
    """A record that was acted upon before: the row is further than what it asks for."""

    row: Loaded


@dataclass(frozen=True, slots=True)
class Unsealable:
    """The endpoint's secret was encrypted with another SECRET_KEY: nothing can be signed."""

    prepared: Prepared


def prepare(
    due: Due, row: Loaded, *, secret_key: SecretStr, at: datetime
) -> Prepared | Unsealable | Aside | Repeat | None:
    """What to do about `due`. Does no I/O."""
    if row.status in (DeliveryStatus.SUCCESS, DeliveryStatus.FAILED) or row.attempts >= due.attempt:
        return Repeat(row)
    if row.status == DeliveryStatus.HELD or row.attempts != due.attempt - 1:
        return None
    if row.deleted:
        return Aside(row.id, row.payment_id, row.endpoint_id, DeliveryStatus.FAILED)
    if not row.active:
        return Aside(row.id, row.payment_id, row.endpoint_id, DeliveryStatus.HELD)
    try:
        secrets = _secrets(row, secret_key, at)
    except SealError:
        return Unsealable(_prepared(due, row, Secrets("")))
    return _prepared(due, row, secrets)


def _prepared(due: Due, row: Loaded, secrets: Secrets) -> Prepared:
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
    )


def _secrets(row: Loaded, secret_key: SecretStr, at: datetime) -> Secrets:
    assert row.secret_sealed is not None
    previous, until = row.previous_secret_sealed, row.previous_expires_at
    if previous is not None and until is not None and until > at:
        return Secrets(_unsealed(row.secret_sealed, secret_key), _unsealed(previous, secret_key))
    return Secrets(_unsealed(row.secret_sealed, secret_key))


@lru_cache(maxsize=4_096)
def _unsealed(sealed: bytes, secret_key: SecretStr) -> str:
    return unseal(sealed, secret_key)
