"""How every client of the log connects: addresses, TLS and the user that it signs in as.

    Settings ─► client_options ─► **options of aiokafka's producers, consumers and admin clients
                              └► agents/payments/credentials.py: the same for Faust

No other code passes a broker's address to a client; a test reads every call and fails if one does.
"""

from __future__ import annotations

from typing import Any

from runtime.settings import Settings
from runtime.tls import client_context


def client_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments of any aiokafka client. Without TLS and users: only the addresses, and no file is read."""
    protocol = settings.kafka_security_protocol
    options: dict[str, Any] = {"bootstrap_servers": settings.kafka_bootstrap_servers, "security_protocol": protocol}
    if protocol.endswith("SSL"):
        options["ssl_context"] = client_context(
            settings.kafka_ca_file, settings.kafka_certificate_file, settings.kafka_key_file
        )
    if protocol.startswith("SASL"):
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_sasl_username
        options["sasl_plain_password"] = settings.kafka_sasl_password.get_secret_value()
    return options
