"""Every client of the log gets its options from one function, and these match the settings."""

from __future__ import annotations

import ast
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth
from pydantic import ValidationError

from agents.payments.credentials import broker_credentials
from ops.console.environment import REPOSITORY, plan_stack
from ops.console.errors import GatewayError
from ops.stack.services.kafka import KafkaService
from runtime.settings import Settings
from tests.support.locked import MAKE_CERTIFICATES
from tests.support.stack import settings_of
from topics.connection import client_options

PRODUCT = ("agents", "api", "bench", "ops", "pages", "runtime", "simulation", "store", "topics")
CLIENTS = {
    "AIOKafkaConsumer", "AIOKafkaProducer", "AIOKafkaAdminClient", "AIOKafkaClient", "make_client", "_make_client",
}  # fmt: skip
"""Names of the classes, and of the parameters that stand for them."""
ADDRESSES = {"bootstrap_servers", "kafka_bootstrap_servers"}
MAY_NAME_ADDRESSES = {
    "runtime/settings.py",
    "topics/connection.py",
    "agents/payments/app.py",  # Faust's URLs
    "ops/stack/services/kafka.py",  # one node of several
    "ops/console/exit_codes.py",  # in a sentence
}
ACCOUNT = {"KAFKA_SASL_USERNAME": "gateway-api", "KAFKA_SASL_PASSWORD": "open sesame"}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run([MAKE_CERTIFICATES, folder, "localhost"], check=True, timeout=60)
    return folder


def test_every_construction_of_a_client_takes_the_options_of_the_one_function() -> None:
    found = list(constructions())
    assert len(found) >= 8
    for place, call in found:
        spread = [ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg is None]
        assert any("client_options(" in one or one == "options" for one in spread), f"{place} connects by itself"


def test_faust_gets_the_same_credentials() -> None:
    tree = ast.parse((REPOSITORY / "agents" / "payments" / "app.py").read_text(encoding="utf-8"))
    (app,) = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "QuietApp"]
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in app.keywords}
    assert given["broker_credentials"] == "broker_credentials(settings)"


def test_nothing_else_names_the_brokers_to_a_client() -> None:
    naming = {
        str(path.relative_to(REPOSITORY))
        for path in sources("bootstrap_servers")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr in ADDRESSES)
        or (isinstance(node, ast.keyword) and node.arg in ADDRESSES)
    }
    assert naming <= MAY_NAME_ADDRESSES


def test_without_tls_and_users_a_client_gets_the_addresses_alone() -> None:
    found = client_options(settings({"KAFKA_BOOTSTRAP_SERVERS": "a:1,b:2"}))
    assert found == {"bootstrap_servers": "a:1,b:2", "security_protocol": "PLAINTEXT"}


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"])
def test_faust_and_aiokafka_connect_alike(protocol: str, tls: Path) -> None:
    given = {"KAFKA_SECURITY_PROTOCOL": protocol}
    if protocol.startswith("SASL"):
        given |= ACCOUNT
    if protocol.endswith("SSL"):
        given |= {"KAFKA_CA_FILE": str(tls / "authority.pem")}
    found = client_options(settings(given))

    assert credentials_to_aiokafka_auth(broker_credentials(settings(given))) == without_none(found, protocol)
    assert ("ssl_context" in found) == protocol.endswith("SSL")
    assert found.get("sasl_plain_password") == ("open sesame" if protocol.startswith("SASL") else None)


def test_the_brokers_certificate_and_name_are_checked(tls: Path) -> None:
    given = {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_CA_FILE": str(tls / "authority.pem")}
    context: ssl.SSLContext = client_options(settings(given))["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert len(context.get_ca_certs()) == 1  # the system's authorities are not trusted besides


def test_our_own_certificate_is_shown_where_it_is_given(tls: Path) -> None:
    pair = {"KAFKA_CERTIFICATE_FILE": str(tls / "server.pem"), "KAFKA_KEY_FILE": str(tls / "server.key")}
    found = client_options(settings({"KAFKA_SECURITY_PROTOCOL": "SSL", **pair}))
    assert isinstance(found["ssl_context"], ssl.SSLContext)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "needs KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", **ACCOUNT}, "KAFKA_SASL_USERNAME has no effect"),
        (ACCOUNT, "KAFKA_SASL_USERNAME has no effect"),
        ({"KAFKA_CA_FILE": "authority.pem"}, "have no effect with KAFKA_SECURITY_PROTOCOL=PLAINTEXT"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_CA_FILE": "nowhere.pem"}, "readable PEM file"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_CERTIFICATE_FILE": "server.pem"}, "belong together"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_CERTIFICATE_FILE": "a", "KAFKA_KEY_FILE": "b"}, "must be PEM files"),
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "SASL_SSL"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", **ACCOUNT, "KAFKA_SASL_MECHANISM": "PLAIN"}, "SCRAM-SHA-512"),
    ],
)
def test_insecure_settings_end_the_start(
    given: dict[str, str], sentence: str, tls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tls)
    with pytest.raises(ValidationError, match=sentence):
        settings(given)


async def test_the_local_broker_refuses_to_start_where_its_clients_would_expect_tls() -> None:
    plan = plan_stack({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", **ACCOUNT})
    with pytest.raises(GatewayError, match="KAFKA_BOOTSTRAP_SERVERS"):
        await KafkaService(plan).prepare(None)  # type: ignore[arg-type]  # it does not come to that


def test_a_role_gets_its_own_values_only() -> None:
    plan = plan_stack(
        {
            "KAFKA_SASL_USERNAME": "gateway-operator",
            "API__KAFKA_SASL_USERNAME": "gateway-api",
            "API__KAFKA_SASL_PASSWORD": "first",
            "DISPATCHER__KAFKA_SASL_PASSWORD": "second",
            "SOMEBODY__ELSE": "stays",
        }
    )
    api, sweeper = plan.environment_of("api"), plan.environment_of("sweeper")
    assert (api["KAFKA_SASL_USERNAME"], api["KAFKA_SASL_PASSWORD"]) == ("gateway-api", "first")
    assert "second" not in api.values()
    assert (sweeper["KAFKA_SASL_USERNAME"], "KAFKA_SASL_PASSWORD" in sweeper) == ("gateway-operator", False)
    assert api["SOMEBODY__ELSE"] == sweeper["SOMEBODY__ELSE"] == "stays"


def constructions() -> Iterator[tuple[str, ast.Call]]:
    for path in sources("AIOKafka", "make_client"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in CLIENTS:
                yield f"{path.relative_to(REPOSITORY)}:{node.lineno}", node


def sources(*words: str) -> Iterator[Path]:
    """Files that one of the words is in: parsing all of them takes seconds."""
    for folder in PRODUCT:
        for path in (REPOSITORY / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if any(word in text for word in words):
                yield path


def settings(given: dict[str, str]) -> Settings:
    return settings_of({"TEST_MODE": "true", **given})


def without_none(options: dict[str, Any], protocol: str) -> dict[str, Any]:
    """As Faust spells them: no addresses, and None for a context that there is not."""
    named = {name: value for name, value in options.items() if name != "bootstrap_servers"}
    return {"ssl_context": None, **named} if protocol == "SASL_PLAINTEXT" else named
