"""A payment link: the face of an order that is sent to somebody. What becomes of it is what becomes of the order.

CreateOrder(link) ─► order.created             the link is there with its order
ResendLink        ─► payment_link.resent       its merchant sends it again; nothing is mailed here
                     payment_link.paid         with its order's order.paid

order_0Ab3xZQwErTyUiOp ⇄ plink_0Ab3xZQwErTyUiOp       one identity, so no table leads from one to the other
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.ids import LINK, ORDER

RESENT_MAX = 100
"""Nobody wants a bill more often; and each is an event that is kept for ever."""


@dataclass(frozen=True, slots=True)
class PaymentLink:
    """`url`: where it is paid, as it was sent. `name`, `email`, `contact`: the customer; a payment has them where it
    brings none of its own. `resent`: how often its merchant sent it again."""

    url: str
    description: str | None = None
    name: str | None = None
    email: str | None = None
    contact: str | None = None
    resent: int = 0


@dataclass(frozen=True, slots=True)
class ResendLink:
    """Its merchant sends the link again."""

    order_id: str
    merchant_id: str


def link_id(order_id: str) -> str:
    """Identity of the order's link."""
    return LINK + order_id.removeprefix(ORDER)


def order_of_link(link: str) -> str:
    """The order of a link, by the link's identity."""
    return ORDER + link.removeprefix(LINK)
