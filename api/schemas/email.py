"""An e-mail address in a request's body."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]+\.[^@\s.\x00-\x1f\x7f]+\Z")
EMAIL_LENGTH_MAX = 254


def _email(value: str) -> str:
    if not EMAIL.match(value):
        raise ValueError("email must be an e-mail address")
    return value


Email = Annotated[str, StringConstraints(strip_whitespace=True, max_length=EMAIL_LENGTH_MAX), AfterValidator(_email)]
