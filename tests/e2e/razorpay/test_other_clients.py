"""Programs of the official Go, Java and PHP clients, made with their own languages' tools (make clients).

Go and Java come through the front and their client is untouched; PHP's, which brings certificates of its own, uses the
base URL. Each build step has a limit. Whatever is missing on a machine is a skipped test with a sentence.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.e2e.razorpay.programs import built, printed
from tests.e2e.razorpay.shop import CARD, DoubleShop, Front

pytestmark = [pytest.mark.clients, pytest.mark.timeout(900)]
HERE = Path(__file__).parent
DOWNLOAD_SECONDS_MAX = 240.0
BUILD_SECONDS_MAX = 480.0
"""Go compiles its standard library the first time: half a minute on two idle cores, many times that on busy ones."""
PHP_CLIENT = "RAZORPAY_PHP"
"""The folder of a checkout of razorpay-php: no registry that the tests may use has it."""


def _copied(folder: str, to: Path) -> None:
    for source in (HERE / folder).iterdir():
        shutil.copy(source, to / source.name)


@pytest.mark.skipif(shutil.which("go") is None, reason="there is no Go on this machine")
def test_a_go_program_of_the_official_client_runs_unmodified(front: Front, shop: DoubleShop, tmp_path: Path) -> None:
    """And by its own option, a base URL."""
    _copied("go", tmp_path)
    built(["go", "mod", "download"], tmp_path, seconds=DOWNLOAD_SECONDS_MAX)
    built(["go", "build", "-o", "program", "."], tmp_path, seconds=BUILD_SECONDS_MAX)
    command = [str(tmp_path / "program"), shop.key, shop.secret]
    through_the_front = printed(command, front.variables("HTTPS_PROXY", "SSL_CERT_FILE"))
    for said in (through_the_front, printed([*command, shop.url], {})):
        assert said.split() == ["created", "collection", "captured", "pending", "refused"]


@pytest.mark.skipif(
    shutil.which("java") is None or shutil.which("mvn") is None, reason="there is no Java or no Maven on this machine"
)
def test_a_java_program_of_the_official_client_runs_unmodified(front: Front, shop: DoubleShop, tmp_path: Path) -> None:
    """Scheme, host and port are constants in this client: nothing but the front reaches it."""
    _copied("java", tmp_path)
    built(
        ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"],
        tmp_path,
        seconds=DOWNLOAD_SECONDS_MAX,
    )
    command = ["java", "-cp", f"{tmp_path / 'lib'}/*", str(tmp_path / "Program.java"), shop.key, shop.secret]
    said = printed(command, front.variables("JAVA_TOOL_OPTIONS"))
    assert said.split() == ["created", "1", "captured", "pending", "refused"]


needs_php = pytest.mark.skipif(
    shutil.which("php") is None or PHP_CLIENT not in os.environ,
    reason=f"PHP needs php-cli, php-curl and {PHP_CLIENT}=FOLDER, a checkout of razorpay-php, which no registry has",
)


@needs_php
def test_a_php_program_of_the_official_client_runs_with_another_base_url(shop: DoubleShop) -> None:
    php = str(shutil.which("php"))
    said = printed([php, str(HERE / "php/program.php"), os.environ[PHP_CLIENT], shop.url, shop.key, shop.secret], {})
    assert said.split() == [
        "created", "noted", "collection", "captured", "1", "pending", "1000", "customer", "refused",
    ]  # fmt: skip


OWN_TESTS = {
    "OrdersTest": ("testCreateOrder", "testAllOrders", "testFetchOrder", "testOrderFetchById", "testUpdateOrder"),
    "PaymentTest": (
        "testFetchAllPayment", "testFetchPayment", "testFetchOrderPayment", "testUpdatePayment",
        "testFetchCardWithPaymentId",
    ),
    "RefundTest": (
        "testCreateRefund", "testFetchMultipalRefund", "testFetchRefund", "testFetchAllRefund", "testParticularRefund",
        "testUpdateRefund",
    ),
    "CustomerTest": ("testCreateCustomer", "testEditCustomer", "testFetchAll", "testFetchCustomer"),
    "SignatureVerificationTest": ("testPaymentVerification", "testPaymentLinkVerification"),
    "PaymentLinkTest": ("testFetchAllMutlipleRefund",),
    "ExceptionTest": ("testCreateOrderSuccess",),
}  # fmt: skip
"""The client's own tests whose calls are part of the double. The others want one-time passwords, bank accounts, partial
payments and so on; and one sets a header for good, by which all forms after it say that they are JSON."""


@needs_php
@pytest.mark.skipif(shutil.which("phpunit") is None, reason="the PHP client's own tests need Debian's phpunit")
def test_the_php_clients_own_tests_pass_with_the_ids_of_this_account(shop: DoubleShop, tmp_path: Path) -> None:
    """Its tests name ids and signatures of somebody's account, to be replaced by one's own, as is done here."""
    folder = tmp_path / "razorpay-php"
    shutil.copytree(os.environ[PHP_CLIENT], folder, ignore=shutil.ignore_patterns(".git"))
    (folder / "vendor").mkdir(exist_ok=True)
    (folder / "vendor/autoload.php").write_text(
        f"<?php require_once __DIR__ . '/../Razorpay.php'; (new Razorpay\\Api\\Api('', ''))->setBaseUrl('{shop.url}');"
    )
    _fill_in(folder / "tests", _made(shop))
    names = "|".join(rf"{case}::{name}" for case, tests in OWN_TESTS.items() for name in tests)
    for case in OWN_TESTS:
        assert (folder / f"tests/{case}.php").is_file(), f"{case} is not in this version of the client"
    said = printed(
        [
            str(shutil.which("phpunit")), "--no-configuration", "--do-not-cache-result", "--fail-on-warning",
            "--bootstrap", str(folder / "tests/TestCase.php"), "--filter", rf"/\\({names})$/", str(folder / "tests"),
        ],
        {"RAZORPAY_API_KEY": shop.key, "RAZORPAY_API_SECRET": shop.secret},
    )  # fmt: skip
    assert f"OK ({sum(map(len, OWN_TESTS.values()))} tests" in said, said


def _made(shop: DoubleShop) -> dict[str, str]:
    """One of each, by the name that the client's tests have for it; `link_…` is of a paid link."""
    payment = shop.captured(method="card", card=CARD)
    proof = shop.call(
        "POST", "/v1/checkout/public/complete", auth=None,
        json={"key": shop.key, "order_id": payment["order_id"], "payment_id": payment["id"]},
    ).json()  # fmt: skip
    link = shop.client.payment_link.create(
        {"amount": 500, "reference_id": "own", "callback_url": "https://shop.example/", "callback_method": "get"}
    )
    shop.payment(shop.pay({"id": link["order_id"], "amount": 500}), status="captured")
    path = f"/v1/checkout/public/links/{link['id']}"
    led_on = shop.call("GET", path, auth=None, allow_redirects=False).headers["Location"]
    paid = dict(parse_qsl(urlsplit(led_on).query))
    return {
        "orderId": payment["order_id"],
        "paymentId": payment["id"],
        "refundId": shop.client.payment.refund(payment["id"], {"amount": 100})["id"],
        "customerId": shop.client.customer.create({"name": "PHP", "email": "php@example.com"})["id"],
        "signature": proof["razorpay_signature"],
        "link_paymentLinkId": link["id"],
        "link_paymentId": paid["razorpay_payment_id"],
        "link_paymentLinkReferenceId": paid["razorpay_payment_link_reference_id"],
        "link_signature": paid["razorpay_signature"],
    }


def _fill_in(tests: Path, made: dict[str, str]) -> None:
    """Replace every value that is given to a variable of these names."""
    for path in tests.glob("*.php"):
        before, of_links, after = path.read_text(encoding="utf-8").partition("function testPaymentLinkVerification")
        own = {name.removeprefix("link_"): value for name, value in made.items() if name.startswith("link_")}
        path.write_text(_filled(before, made) + of_links + _filled(after, own), encoding="utf-8")


def _filled(source: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        source = re.sub(rf"(\${name} = )(['\"])\w+\2", rf"\g<1>\g<2>{value}\g<2>", source)
    return source
