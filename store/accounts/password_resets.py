"""Sets a password: the user's own, or by an operator's link. A link works once, within an hour.

A new password ends every other link of that user, and every session that began before it (api/access/sessions.py).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from store.accounts.audit_log import Values, Witness
from store.accounts.invitations import hash_of_token
from store.accounts.second_factors import end_factor
from store.accounts.users import COLUMNS, MIRROR, User, lock_users, user_of
from store.driver import Connection, Pool

LASTS = timedelta(hours=1)

INSERT = """
INSERT INTO password_resets (token_hash, user_id, created_at, expires_at, ends_second_factor)
VALUES ($1, $2, $3, $4, $5)
"""
# password_resets_pkey
FIND_OPEN = f"""
SELECT {COLUMNS}
  FROM users
 WHERE removed_at IS NULL
   AND id = (SELECT user_id FROM password_resets WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2)
"""
FIND_TO_USE = f"{FIND_OPEN} FOR UPDATE"
# password_resets_pkey
USE = """
UPDATE password_resets SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL RETURNING ends_second_factor
"""
# password_resets_user_id
USED = "UPDATE password_resets SET used_at = $2 WHERE user_id = $1 AND used_at IS NULL"
# users_pkey
# A seed that waits to be confirmed ends with the password that it was made with.
UNCONFIRMED = "second_factor_sealed = CASE WHEN second_factor_from IS NULL THEN NULL ELSE second_factor_sealed END"
SET_PASSWORD = f"""
UPDATE users
   SET password_hash = $2, sessions_from = $3, second_factor_wrong = 0, {UNCONFIRMED}
 WHERE id = $1
"""
CHANGE_PASSWORD = f"""
UPDATE users
   SET password_hash = $3, sessions_from = $4, {UNCONFIRMED}
 WHERE id = $1 AND password_hash = $2 AND removed_at IS NULL
RETURNING id
"""


async def insert_reset(
    pool: Pool, user_id: str, token: str, at: datetime, *, ends_second_factor: bool = False
) -> datetime:
    """Keep a link; when it ends. `ends_second_factor`: using it does."""
    ends_at = at + LASTS
    await pool.execute(INSERT, hash_of_token(token), user_id, at, ends_at, ends_second_factor)
    return ends_at


async def is_open(pool: Pool, token: str, at: datetime) -> bool:
    """Whether a link works now: a check before the expensive password hash."""
    return await pool.fetchrow(FIND_OPEN, hash_of_token(token), at) is not None


async def find_reset(connection: Connection, token: str, at: datetime) -> User | None:
    """The user whose link this is, locked until the transaction ends; None if it no longer works."""
    user_id = await connection.fetchval(FIND_OPEN, hash_of_token(token), at)
    if user_id is None:
        return None
    await lock_users(connection, user_id)
    row = await connection.fetchrow(FIND_TO_USE, hash_of_token(token), at)
    return None if row is None else user_of(row)


async def reset_password(
    connection: Connection, user: User, token: str, password_hash: str, *, at: datetime, witness: Witness
) -> bool:
    """Use up the link and set the password, in the caller's transaction; False if another request was faster."""
    ends_second_factor = await connection.fetchval(USE, hash_of_token(token), at)
    if ends_second_factor is None:
        return False
    await connection.execute(SET_PASSWORD, user.id, password_hash, at)
    if ends_second_factor:
        await end_factor(connection, user.id)
    await _settle(connection, user.id, at, witness, {"second_factor": "ended"} if ends_second_factor else None)
    return True


async def change_password(pool: Pool, user_id: str, *, old: str, new: str, at: datetime, witness: Witness) -> bool:
    """False if the password hash is no longer `old`."""
    async with pool.acquire() as connection, connection.transaction():
        await lock_users(connection, user_id)
        if await connection.fetchval(CHANGE_PASSWORD, user_id, old, new, at) is None:
            return False
        await _settle(connection, user_id, at, witness)
        return True


async def _settle(
    connection: Connection, user_id: str, at: datetime, witness: Witness, after: Values | None = None
) -> None:
    await connection.execute(USED, user_id, at)
    await connection.execute(MIRROR, user_id)
    await witness.attest(connection, user_id, after=after)
