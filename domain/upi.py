"""UPI addresses (virtual payment addresses, `name@handle`), and the links that UPI apps open and scan.

payee_part("shop@bank", "Tea House")  ─►  pa=shop%40bank&pn=Tea%20House
app_link(…, "pay_…", "500.00", "INR")  ─►  upi://pay?pa=shop%40bank&pn=Tea%20House&tr=pay_…&am=500.00&cu=INR
"""

from __future__ import annotations

import re
from urllib.parse import quote

VPA_LENGTH_MAX = 255
PAYEE_NAME_MAX = 50
"""Characters of it that apps show; in UTF-8, escaped, at most 600."""
VPA_PATTERN = r"[a-zA-Z0-9._-]+@[a-zA-Z0-9]+"
_VPA = re.compile(VPA_PATTERN)


def is_vpa(value: str) -> bool:
    """True for a well-formed address; whether it exists is not checked."""
    return len(value) <= VPA_LENGTH_MAX and _VPA.fullmatch(value) is not None


def payee_part(vpa: str, name: str) -> str:
    """The payee of a link, as a query. Spaces as %20, because some apps read + literally."""
    return f"pa={quote(vpa, safe='')}&pn={quote(name[:PAYEE_NAME_MAX], safe='')}"


def app_link(payee: str, reference: str, amount: str, currency: str) -> str:
    """NPCI's link for exactly one payment. `payee`: a `payee_part`; `amount`: `500.00`."""
    return f"upi://pay?{payee}&tr={quote(reference, safe='')}&am={amount}&cu={currency}"
