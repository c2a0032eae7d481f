"""Bodies of the sign-in routes."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, SecretStr

from api.schemas.body import Body
from api.schemas.instant import Instant
from api.schemas.merchants import EMAIL_LENGTH_MAX, PASSWORD_LENGTH_MAX, MerchantShape
from store.redis.sessions import Session


class LoginBody(Body):
    """Only bounded, not checked for their form: a wrong form is a wrong login."""

    email: Annotated[str, Field(max_length=EMAIL_LENGTH_MAX)]
    password: Annotated[SecretStr, Field(max_length=PASSWORD_LENGTH_MAX)]


class SessionShape(BaseModel):
    """Who is signed in. `csrf_token` goes into the X-CSRF-Token header of whatever changes something."""

    merchant: MerchantShape
    csrf_token: str


class ListedSessionShape(BaseModel):
    id: str
    created_at: Instant
    last_seen_at: Instant
    ip: str
    user_agent: str
    current: bool


class SessionsShape(BaseModel):
    data: list[ListedSessionShape]


def listed_session_shape(session: Session, *, current_id: str | None) -> ListedSessionShape:
    return ListedSessionShape(
        id=session.id,
        created_at=session.created_at,
        last_seen_at=session.last_seen_at,
        ip=session.address,
        user_agent=session.user_agent,
        current=session.id == current_id,
    )
