"""Bodies of the routes about a merchant's users."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from api.schemas.body import Body
from api.schemas.email import Email
from api.schemas.instant import Instant
from api.schemas.orders import CURRENCY_UNKNOWN
from domain.currency import MINOR_DIGITS
from domain.money import AMOUNT_MAX_MINOR, DEFAULT_CURRENCY
from domain.role import RIGHTS, Right, Role
from store.accounts.invitations import Invitation
from store.accounts.users import User


def _currency(value: str) -> str:
    if value not in MINOR_DIGITS:
        raise ValueError(CURRENCY_UNKNOWN)
    return value


class RefundLimitBody(Body):
    maximum_minor: Annotated[int, Field(gt=0, le=AMOUNT_MAX_MINOR)]
    currency: Annotated[str, AfterValidator(_currency)] = DEFAULT_CURRENCY


class AccessBody(Body):
    """Omitted fields are unchanged."""

    support_refunds: RefundLimitBody | None = Field(
        None, description="How much of one payment the role `support` may refund; null: nothing"
    )
    second_factor_required: bool | None = Field(
        None, description="Whether every user needs a second factor; until it is set up, a user can do nothing else"
    )


class RoleBody(Body):
    role: Annotated[Role, Field(strict=False)]


class InvitationBody(Body):
    email: Email
    role: Annotated[Role, Field(strict=False)]


class InvitationShape(BaseModel):
    """An invitation that waits to be accepted."""

    id: str
    email: str
    role: Role
    invited_by: str = Field(description="Id of the user who created it")
    created_at: Instant
    expires_at: Instant


class NewInvitationShape(InvitationShape):
    """Only this response contains the link."""

    url: str = Field(description="Works once, until `expires_at`")


class InvitationsShape(BaseModel):
    data: list[InvitationShape]


class UserShape(BaseModel):
    id: str
    email: str
    role: Role
    created_at: Instant
    last_login_at: Instant | None
    second_factor: bool = Field(description="Whether signing in needs a code besides the password")


class OwnUserShape(UserShape):
    """The user who is signed in."""

    rights: list[Right] = Field(description="What the role may do")


class UsersShape(BaseModel):
    data: list[UserShape]


def invitation_shape(invitation: Invitation) -> InvitationShape:
    return InvitationShape.model_validate(invitation, from_attributes=True)


def user_shape(user: User) -> UserShape:
    return UserShape.model_validate(user, from_attributes=True)


def own_user_shape(user: User) -> OwnUserShape:
    held = RIGHTS[user.role]
    return OwnUserShape(**user_shape(user).model_dump(), rights=[right for right in Right if right in held])
