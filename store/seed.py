"""The test merchant and its key pair, seeded idempotently in test mode, refused otherwise."""

from __future__ import annotations

from domain.ids import SEEDED_MERCHANT_ID
from runtime.keyring import tag_of
from runtime.secrets import hash_api_secret, hash_password
from runtime.settings import Settings
from store.driver import connect

SEEDED_NAME = "Test Merchant"
SEEDED_PASSWORD = "password123"
SEEDED_KEY_ID = "apk_seeded"


class SeedRefusedError(RuntimeError):
    """Seeding publishes well-known credentials; it happens in test mode only."""


async def seed(settings: Settings) -> None:
    """Create the test merchant or bring its key pair up to the settings."""
    if not settings.test_mode:
        raise SeedRefusedError("The test merchant is seeded only where TEST_MODE=true")
    connection = await connect(settings.database_url.get_secret_value(), timeout=10, command_timeout=30)
    try:
        async with connection.transaction():
            await connection.execute(
                "INSERT INTO merchants (id, name, email, password_hash, browser_orders_enabled) "
                "VALUES ($1, $2, $3, $4, true) ON CONFLICT DO NOTHING",
                SEEDED_MERCHANT_ID,
                SEEDED_NAME,
                settings.test_merchant_email,
                hash_password(SEEDED_PASSWORD),
            )
            await connection.execute(
                "INSERT INTO api_keys (id, merchant_id, key, secret_hash, hashed_by, name) "
                "VALUES ($1, $2, $3, $4, $5, 'Test key') ON CONFLICT (id) DO UPDATE "
                "SET key = excluded.key, secret_hash = excluded.secret_hash, hashed_by = excluded.hashed_by",
                SEEDED_KEY_ID,
                SEEDED_MERCHANT_ID,
                settings.test_api_key,
                hash_api_secret(settings.test_api_secret, settings.keys.newest),
                tag_of(settings.keys.newest),
            )
    finally:
        await connection.close()
