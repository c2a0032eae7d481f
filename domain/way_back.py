"""Back to the shop: the address that a payer returns to, with the payment's result and a proof of it.

https://shop.example/thanks?cart=7
  ─► https://shop.example/thanks?cart=7&order_id=…&payment_id=…&status=SUCCESS&signature=…

signature   lower-case hex HMAC-SHA256 of `order_id|payment_id|status`; key: the merchant's return secret as a whole
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from domain.signature import Secrets, hex_signature

RETURN_URL_CHARACTERS_MAX = 2_000
"""Including what is added, below the limit of every browser and proxy (8,000)."""
SIGNATURE, SIGNATURE_PREVIOUS = "signature", "signature_previous"
ADDED = frozenset({"order_id", "payment_id", "status", SIGNATURE, SIGNATURE_PREVIOUS})
"""Query parameters reserved for the gateway."""
_FORBIDDEN = frozenset(' \\"<>^`{|}')
"""Characters that no URL has (RFC 3986), and that browsers interpret in different ways."""
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The parameters that a payer returns with. `payment_id` empty: the order ended without a payment."""

    order_id: str
    payment_id: str
    status: str


def origin_of(url: str) -> str | None:
    """scheme://host[:port], as browsers write an origin; None for an address to which no payer can be sent."""
    if len(url) > RETURN_URL_CHARACTERS_MAX or not (url.isascii() and url.isprintable()) or _FORBIDDEN & set(url):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname
    if parts.scheme not in DEFAULT_PORTS or not host or "@" in parts.netloc:
        return None
    bracketed = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{bracketed}" + ("" if port in (None, DEFAULT_PORTS[parts.scheme]) else f":{port}")


def taken_names(url: str) -> list[str]:
    """Parameters of the address that would be mistaken for the gateway's."""
    return [name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True) if name in ADDED]


def signature_of(secret: str, outcome: Outcome) -> str:
    return hex_signature(secret, f"{outcome.order_id}|{outcome.payment_id}|{outcome.status}".encode())


def address_of(url: str, outcome: Outcome, secrets: Secrets) -> str:
    """The payer's address. During a rotation the previous secret signs it too, under a separate name."""
    added = {
        "order_id": outcome.order_id,
        "payment_id": outcome.payment_id,
        "status": outcome.status,
        SIGNATURE: signature_of(secrets.current, outcome),
    }
    for previous in secrets.previous:
        added[SIGNATURE_PREVIOUS] = signature_of(previous, outcome)
    parts = urlsplit(url)
    query = "&".join(part for part in (parts.query, urlencode(added)) if part)
    return urlunsplit(parts._replace(path=parts.path or "/", query=query))
