"""What the operator reads about the deployment as a whole."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, Field

from api.schemas.instant import Instant
from runtime.differences import REPAIRS, Kind
from store.operations.audits import PastAudit, differences_now

AuditStatus = Literal["ok", "differences", "late", "never"]
LATE_AFTER_PERIODS = 2
"""One full audit may take hours, or be interrupted by a restart; two missed in a row mean that no auditor runs."""


class AuditShape(BaseModel):
    """Results of the last audits of the running stack."""

    status: AuditStatus = Field(
        description="`differences`: at least one was found. `late`: none, but no full audit has finished within twice "
        "AUDIT_WHOLE_EVERY_HOURS. `never`: no full audit has finished yet"
    )
    whole_audit_at: Instant | None = Field(description="When the last full audit finished")
    recent_audit_at: Instant | None = Field(description="When the last audit of recent changes finished")
    differences: dict[str, int] = Field(description="Number of differences by kind; empty if there are none")
    repair: dict[str, str] = Field(description="For each kind, the command that repairs it, or why there is none")


def audit_shape(whole: PastAudit | None, recent: PastAudit | None, *, whole_every: timedelta) -> AuditShape:
    """The last full and the last recent audit as the API shows them."""
    differences = differences_now(whole, recent)
    return AuditShape(
        status=_status(whole, differences, whole_every),
        whole_audit_at=whole.finished_at if whole else None,
        recent_audit_at=recent.finished_at if recent else None,
        differences=differences,
        repair={kind: REPAIRS[Kind(kind)] for kind in differences if kind in set(Kind)},
    )


def _status(whole: PastAudit | None, differences: dict[str, int], whole_every: timedelta) -> AuditStatus:
    if differences:
        return "differences"
    if whole is None:
        return "never"
    return "late" if whole.age > LATE_AFTER_PERIODS * whole_every else "ok"
