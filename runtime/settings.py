"""Settings of every process, read from the environment once, at its start.

One class for all roles: a value has one name, one type and one default wherever it is used. `.env.example` lists
each field (a test compares the two). A bad value ends the start with an error that names it.
"""

from __future__ import annotations

import ssl
import sys
from functools import lru_cache
from ipaddress import ip_network
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, PrivateAttr, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from runtime.keyring import MAKE_ONE, GatewayKey, KeyRing, parse_ring, weakness_of
from runtime.tls import client_context
from topics.catalogue import (
    COMMANDS_DAYS,
    COMMANDS_DAYS_MAX,
    COMMANDS_DAYS_MIN,
    INBOX_DAYS_MIN,
    inbox_days_min,
    lineage,
)

DEFAULT_SECRET_KEY = "test-mode-only-secret-key-change-me"
TEST_RETRY_DELAYS_SECONDS = (0, 5, 10, 15, 20)
LIVE_RETRY_DELAYS_SECONDS = (0, 5, 30, 120, 600, 1_800, 7_200, 21_600, 43_200, 86_400, 86_400, 86_400)
RETRY_DELAY_SECONDS_MAX = 5 * 86_400
"""With Retry-After a wait may double; the retry topics keep a record for 14 days."""
PERSONAL_FIELDS_DAYS_MIN = 200
"""An order may be paid for 180 days, and what its payment holds is sealed with the order's key."""


class Settings(BaseSettings):
    """Everything that can be configured. Field names in lower case are the environment variables in upper case."""

    model_config = SettingsConfigDict(env_file=None, extra="ignore", frozen=True)

    # Addresses and ports
    database_url: SecretStr = SecretStr("postgresql://gateway_user:gateway_pass@localhost:5432/payment_gateway")
    """PostgreSQL, with user, password and database. TLS: add `?sslmode=verify-full&sslrootcert=FILE`."""
    redis_url: SecretStr = SecretStr("redis://localhost:6379/0")
    """Redis; `rediss://` for TLS."""
    kafka_bootstrap_servers: str = "localhost:9092"
    """Brokers that a client connects to first, `host:port,host:port`."""
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How clients connect to the brokers: TLS (`SSL`), a user (`SASL_PLAINTEXT`), or both (`SASL_SSL`)."""
    kafka_sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256"] = "SCRAM-SHA-512"
    """How the user proves the password."""
    kafka_sasl_username: str = ""
    """User at the brokers; empty: none."""
    kafka_sasl_password: SecretStr = SecretStr("")
    """Password of that user."""
    kafka_ca_file: str = ""
    """PEM file of the authorities that may have signed the brokers' certificates; empty: the system's."""
    kafka_certificate_file: str = ""
    """PEM file of our own certificate, for brokers that require one; empty: none."""
    kafka_key_file: str = ""
    """PEM file of that certificate's private key."""
    port: int = Field(8000, ge=1, le=65535)
    """Port of the API."""
    checkout_port: int = Field(3001, ge=1, le=65535)
    """Port of the hosted checkout, the SDK and the demo shop."""
    dashboard_port: int = Field(3000, ge=1, le=65535)
    """Port of the dashboard and of this documentation."""
    api_url: str = "http://localhost:8000"
    """Address of the API as browsers see it."""
    checkout_url: str = "http://localhost:3001"
    """Address of the checkout as browsers see it."""
    dashboard_url: str = "http://localhost:3000"
    """Address of the dashboard as browsers see it."""
    metrics_host: str = "127.0.0.1"
    """Address that each process serves `/metrics` and `/health` on."""
    metrics_port: int = Field(9100, ge=0, le=65400)
    """First internal port: each role listens on METRICS_PORT plus its offset (runtime/roles.py). 0: none."""

    # Processes and partitions
    api_workers: int = Field(0, ge=0, le=64)
    """0: one for each core."""
    actor_workers: int = Field(1, ge=1, le=12)
    """Processes of payment actors; more than one only with cores to spare."""
    topic_partitions: int = Field(12, ge=1, le=256)
    """Partitions that a new log starts with; PostgreSQL then keeps the number (store/log/log_partitions.py)."""
    topic_replication: int = Field(1, ge=1, le=7)
    """Brokers that hold each record."""
    worker_id: str = ""
    """Stable name of this worker in its consumer group; empty: made from role, host and index."""

    # Test mode
    test_mode: bool = False
    """Deterministic bank outcomes, a seeded merchant, private webhook targets."""
    test_processing_delay: int = Field(500, ge=0, le=600_000)
    """Milliseconds until the simulated bank decides in test mode."""
    test_payment_success: bool = True
    """What the bank decides in test mode where the instrument does not decide it."""
    test_merchant_email: str = "test@example.com"
    """E-mail address of the seeded merchant."""
    test_api_key: str = "key_test_abc123"
    """API key of the seeded merchant."""
    test_api_secret: SecretStr = SecretStr("secret_test_xyz789")
    """API secret of the seeded merchant."""

    # The simulated bank in live mode
    processing_delay_min: int = Field(5_000, ge=0, le=600_000)
    """Milliseconds that the simulated bank takes at least in live mode."""
    processing_delay_max: int = Field(10_000, ge=0, le=600_000)
    """Milliseconds that the simulated bank takes at most in live mode."""
    upi_success_rate: float = Field(0.90, ge=0, le=1)
    """Share of UPI payments that the simulated bank charges, 0 to 1."""
    card_success_rate: float = Field(0.95, ge=0, le=1)
    """Share of card payments that the simulated bank charges, 0 to 1."""
    bank_faults: str = ""
    """Faults of the simulated bank, such as `lose=0.05,late=0.05,twice=0.05,turn=0.05`; empty: none."""

    # Timeouts
    decision_timeout_ms: int = Field(2_000, ge=50, le=30_000)
    """How long a request waits for the actor's decision before the answer is 202."""
    payment_deadline_seconds: int = Field(60, ge=1, le=86_400)
    """How long a payment may be undecided before the sweeper queries the bank."""

    # Audits
    audit_every_seconds: int = Field(300, ge=5, le=86_400)
    """Between two audits of what has changed since the last one."""
    audit_whole_every_hours: int = Field(24, ge=1, le=168)
    """Between two audits of everything."""

    # Webhooks
    webhook_retry_intervals_test: Annotated[tuple[int, ...], NoDecode] = ()
    """`true`: 0,5,10,15,20 s; a comma list of seconds is taken literally; empty or `false`: the 92-hour schedule."""
    webhook_allow_private_networks: bool | None = None
    """Whether webhooks may go to private addresses; empty: as TEST_MODE."""
    webhook_timeout_ms: int = Field(0, ge=0, le=60_000)
    """How long one webhook attempt may take; 0: 5,000 in test mode, else 15,000."""
    webhook_proxy_url: SecretStr = SecretStr("")
    """HTTP proxy through which every webhook leaves, `http://user:password@proxy:3128`; empty: none. It may hold a
    password. The proxy resolves the names, so it must refuse private addresses itself."""
    webhook_extra_ca_file: str = ""
    """PEM file of certificate authorities to trust besides the system's; empty: none."""
    webhook_attempt_retention_days: int = Field(90, ge=7, le=3_650)
    """How long the request and response of each attempt are kept; the delivery itself is kept permanently."""

    # Security
    secret_key: SecretStr = SecretStr(DEFAULT_SECRET_KEY)
    """Seals and signs what is stored; at least 32 random characters outside test mode (`gateway keys make`)."""
    secret_keys: SecretStr = SecretStr("")
    """`id:secret,id:secret`, newest first: the first seals, all open, and SECRET_KEY does. Empty: SECRET_KEY alone."""
    settlement_signatures: Literal["required", "accepted"] = "required"
    """Of settlements on the log. `accepted`: unsigned ones count too, during an upgrade; forged ones never do."""
    personal_fields: Literal["plain", "sealed"] = "plain"
    """How payers' addresses, names and notes are kept. `sealed`: `gateway erase` can make an order's unreadable."""
    personal_fields_days: int = Field(0, ge=0, le=3_650)
    """How long after its creation an order's sealed fields can be read: 0 without limit, or 200 and more."""
    operator_token: SecretStr = SecretStr("")
    """Bearer token of the operator's routes; empty: those routes refuse everyone."""
    session_idle_minutes: int = Field(30, ge=5, le=1_440)
    """After how long without a request a session of the dashboard ends."""
    session_hours: int = Field(12, ge=1, le=720)
    """After how long a session of the dashboard ends in any case."""
    command_retention_days: int = Field(COMMANDS_DAYS, ge=COMMANDS_DAYS_MIN, le=COMMANDS_DAYS_MAX)
    """How long the log keeps commands: longer than roles may be stopped and than a database is restored from."""
    idempotency_retention_days: int = Field(INBOX_DAYS_MIN, ge=INBOX_DAYS_MIN, le=365)
    """How long the inbox remembers a command: longer than any command stays on the log (topics/catalogue.py)."""
    rate_limit_public_per_minute: int = Field(6_000, ge=0)
    """Requests of one client address to each group of public routes; 0: no limit."""
    rate_limit_login_per_minute: int = Field(10, ge=0)
    """Logins of one e-mail address from one client address; an e-mail address has three times as many, a client ten."""
    rate_limit_merchant_per_minute: int = Field(120_000, ge=0)
    """Requests of one merchant, a second's worth of them (20 at least) at once; 0: no limit."""
    rate_limit_lookups_per_minute: int = Field(12_000, ge=0)
    """Lists, searches, exports and analytics of one merchant, at once as above; 0: no limit."""
    streams_per_merchant: int = Field(50, ge=1)
    """Live feeds of one merchant's dashboards in each API process."""
    jobs_open_per_merchant: int = Field(10, ge=1)
    """Replays and bulk retries of one merchant that are not finished."""
    trusted_proxies: str = ""
    """Addresses and CIDR blocks, `10.0.0.0/8,192.0.2.7`, of proxies whose X-Forwarded-For is believed; empty: none."""

    _first_partitions: int = PrivateAttr(0)
    _partitions_are_new: bool = PrivateAttr(False)

    # Logs
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe log lines that are written."""
    log_json: bool | None = None
    """JSON lines; empty: unless standard error is a terminal."""

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

    @field_validator("webhook_extra_ca_file", "kafka_ca_file")
    @classmethod
    def _readable_authorities(cls, value: str) -> str:
        if value:
            try:
                ssl.create_default_context(cafile=value)
            except (OSError, ValueError) as error:
                raise ValueError(f"must be a readable PEM file of certificates ({error})") from None
        return value

    @field_validator("secret_keys")
    @classmethod
    def _readable_ring(cls, value: SecretStr) -> SecretStr:
        parse_ring(value.get_secret_value())
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.test_mode:
            self._check_keys()
        self._check_kafka()
        if 0 < self.personal_fields_days < PERSONAL_FIELDS_DAYS_MIN:
            raise ValueError(f"PERSONAL_FIELDS_DAYS must be 0 or at least {PERSONAL_FIELDS_DAYS_MIN}")
        shortest = inbox_days_min(self.command_retention_days)
        if self.idempotency_retention_days < shortest:
            raise ValueError(
                f"IDEMPOTENCY_RETENTION_DAYS must be at least {shortest} where COMMAND_RETENTION_DAYS is "
                f"{self.command_retention_days}"
            )
        if self.processing_delay_min > self.processing_delay_max:
            raise ValueError("PROCESSING_DELAY_MIN must not be above PROCESSING_DELAY_MAX")
        return self

    def with_partitions(self, *, first: int, now: int, are_new: bool = False) -> Self:
        """These, of a log that began with `first` partitions and has `now`; `are_new`: it has grown just now."""
        settings = self.model_copy(update={"topic_partitions": now})
        settings._first_partitions = first
        settings._partitions_are_new = are_new
        return settings

    @property
    def partitions_are_new(self) -> bool:
        return self._partitions_are_new

    @property
    def partition_counts(self) -> tuple[int, ...]:
        """How many partitions the log may have had, up to those that it has: the last."""
        return lineage(self._first_partitions or self.topic_partitions, self.topic_partitions)

    def _check_kafka(self) -> None:
        """Raises ValueError for settings that cannot work together, or of which one would have no effect."""
        protocol = self.kafka_security_protocol
        signs_in, is_sealed = protocol.startswith("SASL"), protocol.endswith("SSL")
        user, password = self.kafka_sasl_username, self.kafka_sasl_password.get_secret_value()
        if signs_in and not (user and password):
            raise ValueError(f"KAFKA_SECURITY_PROTOCOL={protocol} needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD")
        if user and not signs_in:
            raise ValueError(f"KAFKA_SASL_USERNAME has no effect with KAFKA_SECURITY_PROTOCOL={protocol}")
        if (self.kafka_ca_file or self.kafka_certificate_file) and not is_sealed:
            raise ValueError(
                f"KAFKA_CA_FILE and KAFKA_CERTIFICATE_FILE have no effect with KAFKA_SECURITY_PROTOCOL={protocol}"
            )
        if bool(self.kafka_certificate_file) != bool(self.kafka_key_file):
            raise ValueError("KAFKA_CERTIFICATE_FILE and KAFKA_KEY_FILE belong together")
        if self.kafka_certificate_file:
            try:
                client_context(self.kafka_ca_file, self.kafka_certificate_file, self.kafka_key_file)
            except (OSError, ValueError) as error:
                raise ValueError(f"KAFKA_CERTIFICATE_FILE and KAFKA_KEY_FILE must be PEM files ({error})") from None

    def _check_keys(self) -> None:
        """Raises ValueError for a key that could be guessed; the sentence does not quote it."""
        if not self.secret_keys.get_secret_value() and self._is_default_key:
            raise ValueError(f"SECRET_KEY must be set outside TEST_MODE; {MAKE_ONE}")
        for key in self.keys.keys:
            weakness = weakness_of(key.secret.get_secret_value())
            if weakness is not None:
                name = key.id if key.id == "SECRET_KEY" else f"The key {key.id!r} of SECRET_KEYS"
                raise ValueError(f"{name} {weakness}; {MAKE_ONE}")

    @property
    def _is_default_key(self) -> bool:
        return self.secret_key.get_secret_value() == DEFAULT_SECRET_KEY

    @property
    def keys(self) -> KeyRing:
        """SECRET_KEYS, then SECRET_KEY where it is another one. Outside test mode the default opens nothing."""
        return _ring(self.secret_keys, None if self._is_default_key and not self.test_mode else self.secret_key)

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


@lru_cache(maxsize=32)
def _ring(several: SecretStr, last: SecretStr | None) -> KeyRing:
    """The same object for the same keys: it remembers what it has derived."""
    keys = parse_ring(several.get_secret_value())
    if last is not None and last not in [key.secret for key in keys]:
        keys += (GatewayKey("SECRET_KEY", last),)
    return KeyRing(keys)


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """Read the environment. A bad value prints one sentence for each and ends the process with exit code 78."""
    try:
        return Settings()
    except ValidationError as error:
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"]).upper()
            message = problem["msg"].removeprefix("Value error, ")
            sys.stderr.write(
                f"Configuration error: {name}: {message}\n" if name else f"Configuration error: {message}\n"
            )
        raise SystemExit(78) from error
