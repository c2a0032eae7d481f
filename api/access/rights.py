"""The right that a request needs, by method and path: the only such table, for API keys and for users.

    request ─► right ─► a user's role has it (domain/role.py), or 403
                    └─► scope: an API key has it (api/access/scopes.py), or 403

A path that is in no row needs `settings`, which few roles and few keys have.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from domain.role import Right

READ_METHODS = frozenset({"GET", "HEAD"})
VERSION = r"(?:(?:/api)?/v[12](?=/))?"
Row = tuple[str, Right]

USERS: Row = (r"/merchants/me/(?:users|invitations|access)\b", Right.USERS)
KEYS: Row = (r"/merchants/me/keys\b", Right.KEYS)
ACCOUNT: Row = (r"/auth\b", Right.ACCOUNT)
"""Rights needed for reads and writes alike."""
READS: Sequence[Row] = (
    USERS,
    KEYS,
    (r"/audit-log\b", Right.SETTINGS),
    ACCOUNT,
    (r"/[a-z-]+/export\.csv\b", Right.EXPORTS),
)
"""Restricted reads: other users, credentials, the audit log, and whole lists as files."""
WRITES: Sequence[Row] = (
    (r"/(?:refunds|payments/[^/]+/refunds?)\b", Right.REFUNDS),
    (r"/(?:orders|payments|payment-links|payment_links|customers)\b", Right.PAYMENTS),
    (r"/(?:webhook-endpoints|webhook-logs|webhooks)\b", Right.WEBHOOKS),
    USERS,
    KEYS,
    (r"/merchants/me(?:/return-secret)?$", Right.SETTINGS),
    ACCOUNT,
)
"""By the path below the version; the first that matches counts. Some names of a row are the Razorpay double's."""


def _one_pattern(rows: Sequence[Row]) -> re.Pattern[str]:
    """All rows at once, each a group that is named after its right: every request of an API key is looked up."""
    return re.compile(VERSION + "(?:" + "|".join(f"(?P<{right}>{pattern})" for pattern, right in rows) + ")")


_READ, _WRITTEN = _one_pattern(READS), _one_pattern(WRITES)


def right_of(method: str, path: str) -> Right:
    """The right that a request needs. `path`: whole, `/api/v1/payments/pay_1/capture`, or the double's `/v1/…`."""
    reads = method in READ_METHODS
    found = (_READ if reads else _WRITTEN).match(path)
    if found is not None and found.lastgroup is not None:
        return Right(found.lastgroup)
    return Right.READ if reads else Right.SETTINGS
