"""Bodies of the sign-in routes."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, SecretStr

from api.schemas.body import Body
from api.schemas.email import EMAIL_LENGTH_MAX
from api.schemas.instant import Instant
from api.schemas.merchants import PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN, MerchantShape
from api.schemas.users import OwnUserShape
from store.redis.sessions import Session

OTP_LENGTH_MAX = 64


class LoginBody(Body):
    """Only the lengths are limited. A malformed e-mail address or password is an ordinary failed login."""

    email: Annotated[str, Field(max_length=EMAIL_LENGTH_MAX)]
    password: Annotated[SecretStr, Field(max_length=PASSWORD_LENGTH_MAX)]
    otp: Annotated[
        SecretStr | None,
        Field(
            max_length=OTP_LENGTH_MAX, description="For a user with a second factor: the app's code or a recovery code"
        ),
    ] = None


Password = Annotated[SecretStr, Field(min_length=PASSWORD_LENGTH_MIN, max_length=PASSWORD_LENGTH_MAX)]
Token = Annotated[str, Field(min_length=1, max_length=128, description="What stands behind `#token=` in the link")]


class JoinBody(Body):
    token: Token
    password: Password


class ResetBody(Body):
    token: Token
    password: Password


class PasswordBody(Body):
    current_password: Annotated[SecretStr, Field(max_length=PASSWORD_LENGTH_MAX)]
    password: Password


class SessionShape(BaseModel):
    """Who is signed in. Send `csrf_token` in the X-CSRF-Token header of every request that changes something."""

    merchant: MerchantShape
    user: OwnUserShape
    csrf_token: str


class ListedSessionShape(BaseModel):
    id: str
    created_at: Instant
    last_seen_at: Instant
    user_id: str
    email: str = Field(description="Whose session it is")
    ip: str
    user_agent: str
    current: bool


class SessionsShape(BaseModel):
    data: list[ListedSessionShape]


def listed_session_shape(session: Session, *, email: str, current_id: str | None) -> ListedSessionShape:
    return ListedSessionShape(
        id=session.id,
        created_at=session.created_at,
        last_seen_at=session.last_seen_at,
        user_id=session.user_id,
        email=email,
        ip=session.address,
        user_agent=session.user_agent,
        current=session.id == current_id,
    )
