"""`gateway keys rotate` on a real database: every secret, old and new form, while its owner changes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from ops.keys.rotation import API_KEYS, counts, rotate
from runtime.clock import make_id, now
from runtime.keyring import GatewayKey, KeyRing, first_key, tag_of
from runtime.secrets import Sealed, hash_api_secret, seal, unseal
from store import sealed as store_sealed
from store.accounts.api_keys import NewKey, Rehashed, create_key, find_api_key, rehash_api_key
from store.accounts.return_secrets import find_return_secrets, rotate_return_secret
from store.accounts.second_factors import begin_factor, lock_factor
from store.razorpay.keys import find_secret, keep_secret
from tests.support.shop import Shop, open_shop
from tests.support.stack import Stack
from tests.support.witness import somebody

OLD = GatewayKey("old", SecretStr("x9Tq-4mVbN7wR2zLc8_dYf6hKs1gPj3E"))
NEW = GatewayKey("new", SecretStr("Zk3vQm7r-0aXyW1tBn8sLd5_fGhJ2kPq"))
BEFORE, DURING, AFTER = KeyRing((OLD,)), KeyRing((NEW, OLD)), KeyRing((NEW,))
PREVIOUS = ["whsec_before", "whsec_earlier"]


@dataclass(frozen=True, slots=True)
class Kept:
    """A merchant with one secret of each kind."""

    shop: Shop
    endpoint_id: str
    key: str


@pytest.fixture
async def kept(services: Stack) -> AsyncIterator[Kept]:
    """All sealed with the old key, as the first release did and as this one does."""
    async with open_shop(services.settings) as shop:
        endpoint_id = (await shop.endpoint("http://127.0.0.1:9/")).id
        await shop.pool.execute(
            "UPDATE webhooks SET secret_sealed = $2, previous_secrets_sealed = $3, headers_sealed = $4, "
            "previous_secrets_expire_at = ARRAY[now(), now()] WHERE id = $1",
            endpoint_id,
            _as_first_release("whsec_now"),
            [
                seal(PREVIOUS[0], BEFORE, Sealed.WEBHOOK_SECRET, endpoint_id),
                _as_first_release(PREVIOUS[1]),
            ],
            seal('{"x-shop":"1"}', BEFORE, Sealed.WEBHOOK_HEADERS, endpoint_id),
        )
        for secret in ("retsec_before", "retsec_now"):
            await rotate_return_secret(
                shop.pool,
                shop.merchant_id,
                _as_first_release(secret),
                expire_previous=False,
                at=now(),
                witness=somebody(shop.settings, shop.merchant_id),
            )
        new = NewKey(
            make_id("apk_"),
            f"key_{shop.merchant_id}",
            hash_api_secret(SecretStr("secret"), OLD.secret),
            tag_of(OLD.secret),
            "Shop",
        )
        await create_key(shop.pool, shop.merchant_id, new, somebody(shop.settings, shop.merchant_id))
        await keep_secret(shop.pool, new.id, _as_first_release("secret"))
        owner_id = shop.merchant_id.replace("mrc_", "user_")
        await begin_factor(shop.pool, owner_id, seal("seed", BEFORE, Sealed.SECOND_FACTOR, owner_id))
        yield Kept(shop, endpoint_id, new.key)


def _as_first_release(plain: str) -> bytes:
    nonce = b"twelve bytes"
    return nonce + AESGCM(first_key(OLD.secret, "seal")).encrypt(nonce, plain.encode(), None)


async def _turn(shop: Shop, ring: KeyRing) -> dict[str, tuple[str, ...]]:
    """Rotate to the end; the unreadable rows of each table."""
    return {one.table: one.unreadable async for one in rotate(shop.pool, ring)}


async def _secrets(kept: Kept, ring: KeyRing) -> list[str]:
    """All of them, opened by this ring. Raises SealError if one does not open."""
    row = await kept.shop.pool.fetchrow("SELECT * FROM webhooks WHERE id = $1", kept.endpoint_id)
    returns = await find_return_secrets(kept.shop.pool, kept.shop.merchant_id)
    double = await find_secret(kept.shop.pool, kept.key)
    owner_id = kept.shop.merchant_id.replace("mrc_", "user_")
    async with kept.shop.pool.acquire() as connection, connection.transaction():
        factor = await lock_factor(connection, owner_id)
    assert row is not None and double is not None and returns.current and returns.previous and factor is not None
    values = [row["secret_sealed"], *row["previous_secrets_sealed"]]
    return [
        *(unseal(value, ring, Sealed.WEBHOOK_SECRET, kept.endpoint_id) for value in values),
        unseal(row["headers_sealed"], ring, Sealed.WEBHOOK_HEADERS, kept.endpoint_id),
        unseal(returns.current, ring, Sealed.RETURN_SECRET, kept.shop.merchant_id),
        unseal(returns.previous, ring, Sealed.RETURN_SECRET, kept.shop.merchant_id),
        unseal(double.secret_sealed, ring, Sealed.API_SECRET, double.key_id),
        unseal(factor.sealed, ring, Sealed.SECOND_FACTOR, owner_id),
    ]


ALL = ["whsec_now", *PREVIOUS, '{"x-shop":"1"}', "retsec_now", "retsec_before", "secret", "seed"]


async def test_after_a_rotation_the_new_key_alone_opens_every_secret(kept: Kept) -> None:
    assert await _secrets(kept, DURING) == ALL
    await _turn(kept.shop, DURING)
    assert await _secrets(kept, AFTER) == ALL


async def test_a_second_run_finds_what_the_first_left_and_nothing_else(kept: Kept) -> None:
    before = (await counts(kept.shop.pool, DURING))["webhooks"].outdated
    async for one in rotate(kept.shop.pool, DURING):
        assert one.table == "webhooks" and one.sealed <= before
        break  # interrupted after its first page
    await _turn(kept.shop, DURING)
    row = await kept.shop.pool.fetchrow("SELECT secret_sealed FROM webhooks WHERE id = $1", kept.endpoint_id)
    await _turn(kept.shop, DURING)
    again = await kept.shop.pool.fetchrow("SELECT secret_sealed FROM webhooks WHERE id = $1", kept.endpoint_id)
    assert row == again, "a value under the newest key is left alone"
    assert await _secrets(kept, AFTER) == ALL


async def test_a_value_that_no_key_opens_stays_and_is_named(kept: Kept) -> None:
    await kept.shop.pool.execute("UPDATE webhooks SET headers_sealed = 'damaged' WHERE id = $1", kept.endpoint_id)
    unreadable = await _turn(kept.shop, DURING)
    assert kept.endpoint_id in unreadable["webhooks"]
    assert kept.shop.merchant_id not in unreadable["merchants"]
    row = await kept.shop.pool.fetchrow("SELECT * FROM webhooks WHERE id = $1", kept.endpoint_id)
    assert row is not None and row["headers_sealed"] == b"damaged"
    assert unseal(row["secret_sealed"], DURING, Sealed.WEBHOOK_SECRET, kept.endpoint_id) == "whsec_now"


async def test_a_secret_that_its_owner_changes_in_between_is_not_overwritten(kept: Kept) -> None:
    table = next(one for one in store_sealed.TABLES if one.name == "webhooks")
    page = await store_sealed.outdated_rows(kept.shop.pool, table, b"12345678", after="", limit=1_000)
    (read,) = [row for row in page if row.id == kept.endpoint_id]
    theirs = seal("whsec_theirs", DURING, Sealed.WEBHOOK_SECRET, kept.endpoint_id)
    await kept.shop.pool.execute("UPDATE webhooks SET secret_sealed = $2 WHERE id = $1", kept.endpoint_id, theirs)
    assert not await store_sealed.replace_row(kept.shop.pool, table, read, read.values)
    row = await kept.shop.pool.fetchrow("SELECT secret_sealed FROM webhooks WHERE id = $1", kept.endpoint_id)
    assert row is not None and row["secret_sealed"] == theirs


async def test_an_api_secret_is_hashed_again_once_unless_it_has_changed(kept: Kept) -> None:
    pool = kept.shop.pool
    found = await find_api_key(pool, kept.key)
    assert found is not None and found.hashed_by == tag_of(OLD.secret)
    before = (await counts(pool, DURING))[API_KEYS].outdated
    renewed = Rehashed(hash_api_secret(SecretStr("secret"), NEW.secret), tag_of(NEW.secret))
    await rehash_api_key(pool, found, renewed)
    await rehash_api_key(pool, found, Rehashed(b"by a slower process", b"gone"))
    after = await find_api_key(pool, kept.key)
    assert after is not None
    assert (after.secret_hash, after.hashed_by) == (renewed.secret_hash, renewed.hashed_by)
    assert (await counts(pool, DURING))[API_KEYS].outdated == before - 1


async def test_expired_and_revoked_api_keys_hold_up_no_rotation(kept: Kept) -> None:
    pool = kept.shop.pool
    before = (await counts(pool, DURING))[API_KEYS].outdated
    await pool.execute("UPDATE api_keys SET expires_at = $2 WHERE key = $1", kept.key, now() - timedelta(seconds=1))
    assert (await counts(pool, DURING))[API_KEYS].outdated == before - 1
