"""The users of a merchant: identity, sign-in and role.

find_user, find_login      by id; by e-mail, with the password hash
change_role, remove_user   a merchant always keeps an owner

A trigger creates a merchant's first owner with it (migration 0105). A removed user keeps the row without a login, so
that the audit log still has the address.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.role import Role
from store.accounts.audit_log import Values, Witness
from store.driver import Connection, Pool, Row


class LastOwnerError(ValueError):
    """The change would leave the merchant without an owner."""


@dataclass(frozen=True, slots=True)
class User:
    """`last_login_at` None: never signed in."""

    id: str
    merchant_id: str
    email: str
    role: Role
    created_at: datetime
    last_login_at: datetime | None
    sessions_from: datetime | None
    """Sessions that began before are over."""
    second_factor: bool
    """Whether signing in needs a code besides the password."""
    second_factor_required: bool
    """Required by the merchant."""

    @property
    def is_held_back(self) -> bool:
        """May do nothing but set up a second factor."""
        return self.second_factor_required and not self.second_factor


COLUMNS = """id, merchant_id, email, role, created_at, last_login_at, sessions_from,
       second_factor_from IS NOT NULL AS second_factor,
       (SELECT second_factor_required FROM merchants WHERE merchants.id = merchant_id) AS second_factor_required"""

# users_pkey
FIND = f"SELECT {COLUMNS} FROM users WHERE id = $1 AND removed_at IS NULL"
# users_email
FIND_LOGIN = f"SELECT {COLUMNS}, password_hash FROM users WHERE lower(email) = lower($1) AND removed_at IS NULL"
# users_merchant_id
LIST = f"SELECT {COLUMNS} FROM users WHERE merchant_id = $1 AND removed_at IS NULL ORDER BY created_at, id"
INSERT = f"""
INSERT INTO users (id, merchant_id, email, role, password_hash) VALUES ($1, $2, $3, $4, $5) RETURNING {COLUMNS}
"""
# users_pkey
FIND_OF_MERCHANT = f"{FIND} AND merchant_id = $2"
LOGGED_IN = f"UPDATE users SET last_login_at = now() WHERE id = $1 RETURNING {COLUMNS}"
REPLACE_PASSWORD_HASH = "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2"
CHANGE_ROLE = f"UPDATE users SET role = $2 WHERE id = $1 RETURNING {COLUMNS}"
# invitations_open
REVOKE_INVITATIONS = """
UPDATE invitations
   SET revoked_at = now()
 WHERE merchant_id = $1 AND invited_by = $2 AND accepted_at IS NULL AND revoked_at IS NULL
"""
REMOVE = """
UPDATE users
   SET removed_at = now(), password_hash = '', second_factor_sealed = NULL, second_factor_from = NULL
 WHERE id = $1
"""
# recovery_codes_pkey
REMOVE_RECOVERY_CODES = "DELETE FROM recovery_codes WHERE user_id = $1"
# users_merchant_id
COUNT_OTHER_OWNERS = """
SELECT count(*) FROM users WHERE merchant_id = $1 AND role = 'owner' AND removed_at IS NULL AND id <> $2
"""
# One change of a merchant's users at a time, so that two owners cannot remove each other at once. Taken first, before a
# user's or an invitation's row: MIRROR writes the merchant's row, and two changes must not wait for each other.
LOCK = "SELECT 1 FROM merchants WHERE id = $1 FOR UPDATE"
# users_pkey
LOCK_OF_USER = "SELECT 1 FROM merchants WHERE id = (SELECT merchant_id FROM users WHERE id = $1) FOR UPDATE"
# The previous release signs in by the merchant's row with only the password, and gives that login every right.
# merchants_pkey
MIRROR = """
UPDATE merchants
   SET password_hash = CASE WHEN role = 'owner' AND removed_at IS NULL AND second_factor_from IS NULL
                            THEN users.password_hash ELSE '' END
  FROM users
 WHERE users.id = $1 AND merchants.id = users.merchant_id AND lower(merchants.email) = lower(users.email)
"""


def user_of(row: Row) -> User:
    """Of a row with COLUMNS."""
    return User(
        id=row["id"],
        merchant_id=row["merchant_id"],
        email=row["email"],
        role=Role(row["role"]),
        created_at=row["created_at"],
        last_login_at=row["last_login_at"],
        sessions_from=row["sessions_from"],
        second_factor=row["second_factor"],
        second_factor_required=row["second_factor_required"],
    )


async def find_user(pool: Pool, user_id: str) -> User | None:
    row = await pool.fetchrow(FIND, user_id)
    return user_of(row) if row else None


async def find_login(pool: Pool, email: str) -> tuple[User, str] | None:
    """The user with an e-mail address, whatever its case, and the password hash."""
    row = await pool.fetchrow(FIND_LOGIN, email)
    return (user_of(row), row["password_hash"]) if row else None


async def list_users(pool: Pool, merchant_id: str) -> list[User]:
    """A merchant's users, the first one first."""
    return [user_of(row) for row in await pool.fetch(LIST, merchant_id)]


async def logged_in(pool: Pool, user_id: str) -> User:
    """Note a login; the user as it is now."""
    row = await pool.fetchrow(LOGGED_IN, user_id)
    assert row is not None, "users keep their rows"
    return user_of(row)


async def replace_password_hash(pool: Pool, user_id: str, *, old: str, new: str) -> None:
    """Store `new` unless the password was changed since `old` was read."""
    async with pool.acquire() as connection, connection.transaction():
        await lock_users(connection, user_id)
        await connection.execute(REPLACE_PASSWORD_HASH, user_id, old, new)
        await connection.execute(MIRROR, user_id)


async def lock_users(connection: Connection, user_id: str) -> None:
    """All users of a user's merchant, until the transaction ends."""
    await connection.execute(LOCK_OF_USER, user_id)


async def insert_user(
    connection: Connection, *, user_id: str, merchant_id: str, email: str, role: Role, password_hash: str
) -> User:
    """Within the caller's transaction. Raises DuplicateError if another user has this address."""
    row = await connection.fetchrow(INSERT, user_id, merchant_id, email, role, password_hash)
    assert row is not None
    return user_of(row)


async def change_role(pool: Pool, merchant_id: str, user_id: str, role: Role, witness: Witness) -> User | None:
    """The user in the new role; None if the merchant has no such user. Raises LastOwnerError."""
    async with pool.acquire() as connection, connection.transaction():
        before = await _lock_user(connection, merchant_id, user_id)
        if before is None or before.role is role:
            return before
        if role is not Role.OWNER:
            await _keep_an_owner(connection, before)
            await connection.execute(REVOKE_INVITATIONS, merchant_id, user_id)
        row = await connection.fetchrow(CHANGE_ROLE, user_id, role)
        assert row is not None
        await connection.execute(MIRROR, user_id)
        await witness.attest(connection, user_id, before={"role": before.role}, after={"role": role})
        return user_of(row)


async def remove_user(pool: Pool, merchant_id: str, user_id: str, witness: Witness) -> bool:
    """False if the merchant has no such user. Raises LastOwnerError."""
    async with pool.acquire() as connection, connection.transaction():
        user = await _lock_user(connection, merchant_id, user_id)
        if user is None:
            return False
        await _keep_an_owner(connection, user)
        await connection.execute(REVOKE_INVITATIONS, merchant_id, user_id)
        await connection.execute(REMOVE, user_id)
        await connection.execute(REMOVE_RECOVERY_CODES, user_id)
        await connection.execute(MIRROR, user_id)
        await witness.attest(connection, user_id, before=facts_of(user))
        return True


def facts_of(user: User) -> Values:
    """Of a user, for the audit log."""
    return {"email": user.email, "role": user.role}


async def _lock_user(connection: Connection, merchant_id: str, user_id: str) -> User | None:
    await connection.execute(LOCK, merchant_id)
    row = await connection.fetchrow(FIND_OF_MERCHANT, user_id, merchant_id)
    return user_of(row) if row else None


async def _keep_an_owner(connection: Connection, leaving: User) -> None:
    """Raises LastOwnerError."""
    if leaving.role is Role.OWNER and not await connection.fetchval(
        COUNT_OTHER_OWNERS, leaving.merchant_id, leaving.id
    ):
        raise LastOwnerError("A merchant needs an owner: make another user an owner first")
