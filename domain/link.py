"""A payment link: the part of an order that is sent to a customer. Its state is the state of the order.

CreateOrder(link) ─► order.created             the link exists with its order
ResendLink        ─► payment_link.resent       its merchant sends it again; the gateway sends no mail
                     payment_link.paid         with its order's order.paid

order_0Ab3xZQwErTyUiOp ⇄ plink_0Ab3xZQwErTyUiOp       one identity, so no table maps one to the other
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.ids import LINK, ORDER

RESENT_MAX = 100
"""More reminders are of no use, and each is an event that is kept permanently."""


@dataclass(frozen=True, slots=True)
class PaymentLink:
    """`url`: the payment page, as it was sent. `name`, `email`, `contact`: the customer; a payment without its own
    copies them. `resent`: how often its merchant sent it again."""

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
