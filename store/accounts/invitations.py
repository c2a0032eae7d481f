"""Invitations: an owner creates a link; its recipient chooses a password and becomes a user. Once, within 72 hours.

invite ─► link ─► accept ─► a user          revoke, 72 hours, an inviter who is no longer an owner ─► the link is void

Only the hash of a link's token is here. It has 256 random bits, so a plain hash is enough.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.role import Role
from store.accounts.audit_log import Values, Witness
from store.accounts.merchants import EmailTakenError
from store.accounts.users import LOCK, User, insert_user
from store.driver import Connection, Pool, Row
from store.errors import DuplicateError

LASTS = timedelta(hours=72)
OPEN_MAX = 50
"""A merchant's invitations that wait at a time."""
MADE_MAX = 100
"""A merchant's invitations in MADE_WITHIN, revoked ones too. Whoever opens one learns whether its address already signs
in to another merchant; so nobody tries a list of addresses in this way."""
MADE_WITHIN = timedelta(days=1)


class TooManyInvitationsError(ValueError):
    """The merchant has OPEN_MAX invitations that wait, or has made MADE_MAX of late."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """One that waits. `invited_by`: a user's id."""

    id: str
    merchant_id: str
    email: str
    role: Role
    invited_by: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NewUser:
    """Of the person who accepts."""

    id: str
    password_hash: str


COLUMNS = "id, merchant_id, email, role, invited_by, created_at, expires_at"
OPEN = "accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $2"

# invitations_open
LIST = f"SELECT {COLUMNS} FROM invitations WHERE merchant_id = $1 AND {OPEN} ORDER BY created_at DESC, id DESC"
COUNT_OPEN = f"SELECT count(*) FROM invitations WHERE merchant_id = $1 AND {OPEN}"
# invitations_made
COUNT_MADE = "SELECT count(*) FROM invitations WHERE merchant_id = $1 AND created_at > $2"
# users_email. Of this merchant: the inviter must not learn whether another merchant has a user with the address.
IS_USER = "SELECT true FROM users WHERE lower(email) = lower($1) AND merchant_id = $2 AND removed_at IS NULL"
INSERT = f"""
INSERT INTO invitations (id, merchant_id, email, role, token_hash, invited_by, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING {COLUMNS}
"""
# invitations_pkey
REVOKE = f"""
UPDATE invitations SET revoked_at = $2 WHERE id = $1 AND merchant_id = $3 AND {OPEN} RETURNING {COLUMNS}
"""
# invitations_token_hash_key
FIND_OPEN = f"""
SELECT {COLUMNS}
  FROM invitations
 WHERE token_hash = $1 AND {OPEN}
   AND EXISTS (SELECT 1 FROM users WHERE users.id = invited_by AND users.role = 'owner' AND removed_at IS NULL)
"""
FIND_TO_ACCEPT = f"{FIND_OPEN} FOR UPDATE"
ACCEPTED = "UPDATE invitations SET accepted_at = $2 WHERE id = $1"


def _invitation_of(row: Row) -> Invitation:
    return Invitation(**{**row, "role": Role(row["role"])})


def hash_of_token(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def list_invitations(pool: Pool, merchant_id: str, at: datetime) -> list[Invitation]:
    """Those that wait, newest first."""
    return [_invitation_of(row) for row in await pool.fetch(LIST, merchant_id, at)]


async def invite(pool: Pool, new: Invitation, token: str, witness: Witness) -> Invitation:
    """Raises EmailTakenError if the merchant has a user with this address, TooManyInvitationsError."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(LOCK, new.merchant_id)
        if await connection.fetchval(IS_USER, new.email, new.merchant_id):
            raise EmailTakenError(new.email)
        if await connection.fetchval(COUNT_OPEN, new.merchant_id, new.created_at) >= OPEN_MAX:
            raise TooManyInvitationsError(f"At most {OPEN_MAX} invitations can wait at a time")
        if await connection.fetchval(COUNT_MADE, new.merchant_id, new.created_at - MADE_WITHIN) >= MADE_MAX:
            raise TooManyInvitationsError(f"At most {MADE_MAX} invitations can be made within a day")
        row = await connection.fetchrow(
            INSERT, new.id, new.merchant_id, new.email, new.role, hash_of_token(token), new.invited_by,
            new.created_at, new.expires_at,
        )  # fmt: skip
        assert row is not None
        await witness.attest(connection, new.id, after=facts_of(new))
        return _invitation_of(row)


async def revoke_invitation(
    pool: Pool, merchant_id: str, invitation_id: str, *, at: datetime, witness: Witness
) -> bool:
    """False if the merchant has no such open invitation."""
    async with pool.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(REVOKE, invitation_id, at, merchant_id)
        if row is None:
            return False
        await witness.attest(connection, invitation_id, before=facts_of(_invitation_of(row)))
        return True


async def is_open(pool: Pool, token: str, at: datetime) -> bool:
    """Whether a link can be accepted now: a check before the expensive password hash."""
    return await pool.fetchrow(FIND_OPEN, hash_of_token(token), at) is not None


async def find_to_accept(connection: Connection, token: str, at: datetime) -> Invitation | None:
    """The invitation of a link, locked until the transaction ends; None if it is used, revoked or too old."""
    found = await connection.fetchrow(FIND_OPEN, hash_of_token(token), at)
    if found is None:
        return None
    await connection.execute(LOCK, found["merchant_id"])
    row = await connection.fetchrow(FIND_TO_ACCEPT, hash_of_token(token), at)
    return None if row is None else _invitation_of(row)


async def accept(
    connection: Connection, invitation: Invitation, new: NewUser, *, at: datetime, witness: Witness
) -> User:
    """The new user, in the caller's transaction. Raises EmailTakenError."""
    try:
        user = await insert_user(
            connection,
            user_id=new.id,
            merchant_id=invitation.merchant_id,
            email=invitation.email,
            role=invitation.role,
            password_hash=new.password_hash,
        )
    except DuplicateError as error:
        raise EmailTakenError(invitation.email) from error
    await connection.execute(ACCEPTED, invitation.id, at)
    await witness.attest(connection, user.id, after={"email": user.email, "role": user.role})
    return user


def facts_of(invitation: Invitation) -> Values:
    """Of an invitation, for the audit log."""
    return {"email": invitation.email, "role": invitation.role, "expires_at": invitation.expires_at}
