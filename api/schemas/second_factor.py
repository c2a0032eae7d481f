"""Bodies of the routes about a user's own second factor."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, SecretStr

from api.schemas.auth import OTP_LENGTH_MAX, SessionShape
from api.schemas.body import Body
from api.schemas.instant import Instant
from api.schemas.merchants import PASSWORD_LENGTH_MAX

CurrentPassword = Annotated[SecretStr, Field(max_length=PASSWORD_LENGTH_MAX)]
Otp = Annotated[SecretStr, Field(max_length=OTP_LENGTH_MAX, description="The app's code, or a recovery code")]
AppCode = Annotated[SecretStr, Field(max_length=OTP_LENGTH_MAX, description="The app's code")]


class BeginBody(Body):
    current_password: CurrentPassword


class ConfirmBody(Body):
    current_password: CurrentPassword
    otp: AppCode


class ProofBody(Body):
    current_password: CurrentPassword
    otp: Otp


class SecondFactorShape(BaseModel):
    enabled_at: Instant | None = Field(description="Null: the password alone signs in")
    recovery_codes_left: int


class SeedShape(BaseModel):
    """Only this response contains the seed."""

    secret: str = Field(description="For an app that cannot scan a QR code, in base 32")
    uri: str = Field(description="What the QR code holds: `otpauth://totp/…`")


class RecoveryCodesShape(BaseModel):
    """Only this response contains them. Each signs in once in place of the app's code."""

    recovery_codes: list[str]


class ConfirmedShape(SessionShape, RecoveryCodesShape):
    """The user's new session, and the recovery codes, which only this response contains."""
