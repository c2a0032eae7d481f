"""Every connection to Redis has the same checks and the same context, and only its own authority is trusted."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from runtime.tls import client_context
from store.redis.clients import make_redis, make_subscriber
from tests.support.locked import MAKE_CERTIFICATES
from tests.support.stack import settings_of


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run([MAKE_CERTIFICATES, folder, "localhost"], check=True, timeout=60)
    return folder / "authority.pem"


@pytest.mark.parametrize("make", [make_redis, make_subscriber])
@pytest.mark.parametrize("weaker", ["", "&ssl_cert_reqs=none", "&ssl_check_hostname=false"])
def test_certificate_and_name_are_checked_whatever_the_url_contains(make: Any, weaker: str, authority: Path) -> None:
    first, second = (context_of(make, f"rediss://redis/0?ssl_ca_certs={authority}{weaker}") for _ in range(2))
    assert (first.verify_mode, first.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert [dict(one["subject"][0])["commonName"] for one in first.get_ca_certs()] == ["Payment gateway authority"]
    assert first is second is client_context(str(authority))


def test_without_a_file_the_systems_authorities_are_trusted() -> None:
    assert context_of(make_redis, "rediss://redis/0") is client_context()


def test_a_plain_address_stays_plain() -> None:
    assert "ssl" not in arguments_of(make_redis, "redis://redis/0")


def context_of(make: Any, url: str) -> ssl.SSLContext:
    found: ssl.SSLContext = arguments_of(make, url)["ssl"]
    return found


def arguments_of(make: Any, url: str) -> dict[str, Any]:
    """What a connection of this client would be opened with."""
    pool = make(settings_of({"TEST_MODE": "true", "REDIS_URL": url})).connection_pool
    arguments: dict[str, Any] = pool.make_connection()._connection_arguments()
    return arguments
