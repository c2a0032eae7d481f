"""The step that a bank needs of the payer before it decides: a page to visit, or a code to enter there.

bank ─► NextAction(type, url, expires_at) ─► payment.next_action, until the bank's first outcome clears it
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

ACTION_TIME_MAX = timedelta(hours=1)
"""How far an action may move a payment's deadline. Banks give a payer 5 to 15 minutes; until then no other payment of
the order can start."""


class ActionType(StrEnum):
    """The payer's action at the URL."""

    REDIRECT = "redirect"
    OTP = "otp"
    APP = "app"
    """The URL opens a UPI app on the payer's phone, or is shown as a QR code to scan. It does not lead to a page."""


@dataclass(frozen=True, slots=True)
class NextAction:
    """One step of the payer. The bank abandons it at `expires_at`."""

    type: ActionType
    url: str
    expires_at: datetime

    def replaces(self, known: NextAction | None) -> bool:
        """Whether this action replaces `known`, in whatever order the two arrive: the one that expires later
        is the bank's newer one, and among equals the URL decides."""
        return known is None or (self.expires_at, self.url) > (known.expires_at, known.url)


def action_form(action: NextAction | None) -> dict[str, str | datetime] | None:
    """The action in the form of the API, the log and the table. `expires_at` stays a `datetime`, as in every
    resource."""
    if action is None:
        return None
    return {"type": action.type, "url": action.url, "expires_at": action.expires_at}
