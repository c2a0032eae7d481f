"""The log's TLS and user as Faust takes them: the options of topics/connection.py, in Faust's own types."""

from __future__ import annotations

from faust.auth import Credentials, SASLCredentials, SSLCredentials

from runtime.settings import Settings
from topics.connection import client_options


def broker_credentials(settings: Settings) -> Credentials | None:
    """None if the log has neither TLS nor users."""
    options = client_options(settings)
    context = options.get("ssl_context")
    if "sasl_mechanism" in options:
        return SASLCredentials(
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            mechanism=options["sasl_mechanism"],
            ssl_context=context,
        )
    return None if context is None else SSLCredentials(context)
