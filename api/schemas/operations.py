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
"""One full audit may take hours, or be interrupted by a restart; two missed in a row mean that nobody audits."""


class AuditShape(BaseModel):
    """What the last audits of the running stack found."""

    status: AuditStatus = Field(
        description="`differences`: there are some. `late`: none, but no full audit has ended within twice "
        "AUDIT_WHOLE_EVERY_HOURS. `never`: no full audit has ended yet"
    )
    whole_audit_at: Instant | None = Field(description="When the last audit of everything ended")
    recent_audit_at: Instant | None = Field(description="When the last audit of what had moved ended")
    differences: dict[str, int] = Field(description="Kind of difference: how many; empty where there are none")
    repair: dict[str, str] = Field(description="The same kinds: the command that repairs them, or why there is none")


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
