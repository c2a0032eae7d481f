"""Who pays and for what, from a request: format checked, bounded, stored with the payment. No decision depends on it.

    "  Asha Rao " ─► "Asha Rao"        "" ─► None        "+91 98765-43210" ─► "+919876543210"

Personal data: it is in events, rows and webhooks, and never on a log line.
"""

from __future__ import annotations

import re

PAYER_FIELDS = ("name", "email", "contact", "description")
TEXT_CHARACTERS_MAX = 255
EMAIL_CHARACTERS_MAX = 254
"""RFC 5321, 4.5.3.1.3: a path of 256 characters, less its two brackets."""
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+\Z")
"""One `@`, and a domain with a dot. Whether mail arrives there, only a mail can prove."""
_CONTACT_SEPARATORS = str.maketrans("", "", " -.()\u00a0")
_CONTACT = re.compile(r"\+?[0-9]{6,15}\Z")
"""At most 15 digits (ITU-T E.164); six is the shortest national number in use."""
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that break a line or control a terminal: Unicode's categories Cc, Zl and Zp."""


def is_one_line(text: str) -> bool:
    """True if the text contains no control character and no line end."""
    return _BREAKS.search(text) is None


def is_email(text: str) -> bool:
    return len(text) <= EMAIL_CHARACTERS_MAX and _EMAIL.match(text) is not None


def normalized_contact(text: str) -> str | None:
    """The number without the separators that people type; None if it is not a telephone number."""
    number = text.translate(_CONTACT_SEPARATORS)
    return number if _CONTACT.match(number) else None
