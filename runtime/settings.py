"""Settings of every process, read from the environment once, at its start.

One class for all roles: a value has one name, one type and one default wherever it is used. `.env.example` lists
each field (a test compares the two). A bad value ends the start with a sentence that names it.
"""

from __future__ import annotations

import ssl
import sys
from functools import lru_cache
from ipaddress import ip_network
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from topics.catalogue import INBOX_DAYS_MIN

DEFAULT_SECRET_KEY = "test-mode-only-secret-key-change-me"
TEST_RETRY_DELAYS_SECONDS = (0, 5, 10, 15, 20)
LIVE_RETRY_DELAYS_SECONDS = (0, 5, 30, 120, 600, 1_800, 7_200, 21_600, 43_200, 86_400, 86_400, 86_400)
RETRY_DELAY_SECONDS_MAX = 5 * 86_400
"""With Retry-After a wait may double; the retry topics keep a record for 14 days."""


class Settings(BaseSettings):
    """Everything that can be configured. Field names in lower case are the environment variables in upper case."""

    model_config = SettingsConfigDict(env_file=None, extra="ignore", frozen=True)

    # Where the parts are
    database_url: SecretStr = SecretStr("postgresql://gateway_user:gateway_pass@localhost:5432/payment_gateway")
    redis_url: SecretStr = SecretStr("redis://localhost:6379/0")
    kafka_bootstrap_servers: str = "localhost:9092"
    port: int = Field(8000, ge=1, le=65535)
    checkout_port: int = Field(3001, ge=1, le=65535)
    dashboard_port: int = Field(3000, ge=1, le=65535)
    api_url: str = "http://localhost:8000"
    checkout_url: str = "http://localhost:3001"
    dashboard_url: str = "http://localhost:3000"
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(9100, ge=0, le=65400)
    """First of the block of internal ports; role r listens on metrics_port + its offset (runtime/roles.py). 0: none."""

    # How many
    api_workers: int = Field(0, ge=0, le=64)
    """0: one for each core."""
    actor_workers: int = Field(1, ge=1, le=12)
    topic_partitions: int = Field(12, ge=1, le=256)
    topic_replication: int = Field(1, ge=1, le=7)
    worker_id: str = ""
    """Stable name of this worker in its consumer group; empty: made from role, host and index."""

    # Test mode: deterministic outcomes
    test_mode: bool = False
    test_processing_delay: int = Field(500, ge=0, le=600_000)
    test_payment_success: bool = True
    test_merchant_email: str = "test@example.com"
    test_api_key: str = "key_test_abc123"
    test_api_secret: SecretStr = SecretStr("secret_test_xyz789")

    # Live mode: the simulated bank draws
    processing_delay_min: int = Field(5_000, ge=0, le=600_000)
    processing_delay_max: int = Field(10_000, ge=0, le=600_000)
    upi_success_rate: float = Field(0.90, ge=0, le=1)
    card_success_rate: float = Field(0.95, ge=0, le=1)
    bank_faults: str = ""
    """Fault injection in the simulated bank: `lose=0.05,late=0.05,twice=0.05,reorder=0.05`; empty: none."""

    # Waits
    decision_timeout_ms: int = Field(2_000, ge=50, le=30_000)
    payment_deadline_seconds: int = Field(60, ge=1, le=86_400)
    """After this long without an outcome the sweeper asks the bank."""

    # Audits
    audit_every_seconds: int = Field(300, ge=5, le=86_400)
    """Between two audits of what moved meanwhile."""
    audit_whole_every_hours: int = Field(24, ge=1, le=168)
    """Between two audits of everything."""

    # Webhooks
    webhook_retry_intervals_test: Annotated[tuple[int, ...], NoDecode] = ()
    """`true`: 0,5,10,15,20 s; a comma list of seconds is taken literally; empty or `false`: the 92-hour schedule."""
    webhook_allow_private_networks: bool | None = None
    """None: as TEST_MODE."""
    webhook_timeout_ms: int = Field(0, ge=0, le=60_000)
    """0: 5,000 in test mode, else 15,000."""
    webhook_proxy_url: SecretStr = SecretStr("")
    """HTTP proxy through which every webhook leaves, `http://user:password@proxy:3128`; empty: none. It may hold a
    password. The proxy resolves the names, so it must refuse private addresses itself."""
    webhook_extra_ca_file: str = ""
    """PEM file of certificate authorities to trust besides the system's; empty: none."""
    webhook_attempt_retention_days: int = Field(90, ge=7, le=3_650)
    """Request and answer of each attempt are kept for so long; the delivery itself is kept for ever."""

    # Security
    secret_key: SecretStr = SecretStr(DEFAULT_SECRET_KEY)
    operator_token: SecretStr = SecretStr("")
    idempotency_retention_days: int = Field(INBOX_DAYS_MIN, ge=INBOX_DAYS_MIN, le=365)
    """Longer than any command stays on the log, see topics/catalogue.py."""
    rate_limit_public_per_minute: int = Field(6_000, ge=0)
    """For each client address and public route group; 0: no limit."""
    rate_limit_login_per_minute: int = Field(10, ge=0)
    """For each e-mail address and client address; ten times as many for a client address, three times for an e-mail."""
    rate_limit_merchant_per_minute: int = Field(120_000, ge=0)
    """Requests of one merchant, a sixth of them at once; 0: no limit."""
    rate_limit_lookups_per_minute: int = Field(12_000, ge=0)
    """Lists, searches, exports and analytics of one merchant, a sixth of them at once; 0: no limit."""
    streams_per_merchant: int = Field(50, ge=1)
    """Live feeds of one merchant's dashboards in each API process."""
    jobs_open_per_merchant: int = Field(10, ge=1)
    """Replays and bulk retries of webhooks that are not done."""
    trusted_proxies: str = ""
    """Addresses and CIDR blocks, `10.0.0.0/8,192.0.2.7`, of proxies whose X-Forwarded-For is believed; empty: none."""

    # Logs
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_json: bool | None = None
    """None: JSON unless standard error is a terminal."""

    # Traces
    otel_exporter_otlp_endpoint: str = ""
    """Base address of an OpenTelemetry collector (OTLP over HTTP), `http://localhost:4318`; empty: no traces."""

    @field_validator("webhook_retry_intervals_test", mode="before")
    @classmethod
    def _retry_intervals(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        text = value.strip().lower()
        if text in ("", "false", "0", "no", "off"):
            return ()
        if text in ("true", "1", "yes", "on"):
            return TEST_RETRY_DELAYS_SECONDS
        try:
            delays = tuple(int(part) for part in text.split(","))
        except ValueError:
            raise ValueError("must be true, false or a comma list of whole seconds such as 0,5,10") from None
        if not all(0 <= delay <= RETRY_DELAY_SECONDS_MAX for delay in delays) or len(delays) > 50:
            raise ValueError(f"must hold at most 50 delays of 0 to {RETRY_DELAY_SECONDS_MAX} seconds")
        return delays

    @field_validator("trusted_proxies")
    @classmethod
    def _proxy_networks(cls, value: str) -> str:
        for part in filter(None, map(str.strip, value.split(","))):
            try:
                ip_network(part)
            except ValueError as error:
                raise ValueError(f"must hold addresses or CIDR blocks such as 10.0.0.0/8 ({error})") from None
        return value

    @field_validator("webhook_proxy_url")
    @classmethod
    def _proxy_url(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        try:
            parts = urlsplit(text)
            usable = not text or (parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0)
        except ValueError:
            usable = False
        if not usable:
            raise ValueError("must be an http or https URL such as http://proxy:3128")
        return value

    @field_validator("webhook_extra_ca_file")
    @classmethod
    def _readable_authorities(cls, value: str) -> str:
        if value:
            try:
                ssl.create_default_context(cafile=value)
            except (OSError, ValueError) as error:
                raise ValueError(f"must be a readable PEM file of certificates ({error})") from None
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.test_mode and self.secret_key.get_secret_value() == DEFAULT_SECRET_KEY:
            raise ValueError("SECRET_KEY must be set outside TEST_MODE (32 or more random characters)")
        if self.processing_delay_min > self.processing_delay_max:
            raise ValueError("PROCESSING_DELAY_MIN must not be above PROCESSING_DELAY_MAX")
        return self

    @property
    def retry_delays_seconds(self) -> tuple[int, ...]:
        """Delay before attempt n+1, in seconds; its length is the number of attempts."""
        return self.webhook_retry_intervals_test or LIVE_RETRY_DELAYS_SECONDS

    @property
    def private_targets_allowed(self) -> bool:
        return self.test_mode if self.webhook_allow_private_networks is None else self.webhook_allow_private_networks

    @property
    def delivery_timeout_ms(self) -> int:
        return self.webhook_timeout_ms or (5_000 if self.test_mode else 15_000)


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """Read the environment. A bad value prints one sentence for each and ends the process with exit code 78."""
    try:
        return Settings()
    except ValidationError as error:
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"]).upper()
            said = problem["msg"].removeprefix("Value error, ")
            sys.stderr.write(f"Configuration error: {name}: {said}\n" if name else f"Configuration error: {said}\n")
        raise SystemExit(78) from error
