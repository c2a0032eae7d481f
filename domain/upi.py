"""UPI addresses (virtual payment addresses, `name@handle`)."""

from __future__ import annotations

import re

VPA_LENGTH_MAX = 255
VPA_PATTERN = r"[a-zA-Z0-9._-]+@[a-zA-Z0-9]+"
_VPA = re.compile(VPA_PATTERN)


def is_vpa(value: str) -> bool:
    """True for a well-formed address; nobody is asked whether it exists."""
    return len(value) <= VPA_LENGTH_MAX and _VPA.fullmatch(value) is not None
