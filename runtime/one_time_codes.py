"""The codes of a second factor: six digits of an authenticator app (TOTP, RFC 6238), and recovery codes.

    seed ─ setup_uri ─► QR code ─► app ─► code ─ step_of ─► the 30-second step it belongs to, or None

A recovery code has 80 random bits, so a plain hash with the user's id is enough: that many cannot be tried.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from datetime import datetime

import pyotp
from pyotp.exceptions import OTPVerificationError

STEPS_AROUND = 1
"""A code counts one step before and after its own: clocks differ and people type slowly (RFC 6238 §5.2)."""
RECOVERY_CODES = 10
RECOVERY_CODE_BYTES = 10
GROUP = 4
_APP_CODE = re.compile(r"[0-9]{6}")
_SEPARATORS = re.compile(r"[\s-]+")


def make_seed() -> str:
    """160 random bits in base 32, as RFC 4226 §4 recommends."""
    return pyotp.random_base32()


def setup_uri(seed: str, *, account: str, issuer: str) -> str:
    """The content of the QR code, in the form that authenticator apps read: `otpauth://totp/…`."""
    return pyotp.TOTP(seed).provisioning_uri(name=account, issuer_name=issuer)


def plain_code(typed: str) -> str:
    """The form that is compared: lower case, without spaces and hyphens."""
    return _SEPARATORS.sub("", typed).lower()


def is_app_code(code: str) -> bool:
    """Whether it has the form of an app's code; any other may be a recovery code."""
    return _APP_CODE.fullmatch(code) is not None


def step_of(seed: str, code: str, at: datetime) -> int | None:
    """The step (Unix time in units of 30 s) that an app's code belongs to; None if it is not valid now."""
    try:
        return pyotp.TOTP(seed).verify_and_get_timecode(code, for_time=at, valid_window=STEPS_AROUND)
    except OTPVerificationError:
        return None


def make_recovery_codes() -> list[str]:
    """RECOVERY_CODES different ones, `abcd-efgh-ijkl-mnop`."""
    return [_grouped(secrets.token_bytes(RECOVERY_CODE_BYTES)) for _ in range(RECOVERY_CODES)]


def _grouped(random: bytes) -> str:
    text = base64.b32encode(random).decode().lower()
    return "-".join(text[start : start + GROUP] for start in range(0, len(text), GROUP))


def hash_of_recovery_code(user_id: str, code: str) -> bytes:
    """The stored hash of a recovery code. `code` in any spelling."""
    return hashlib.sha256(f"{user_id}\0{plain_code(code)}".encode()).digest()
