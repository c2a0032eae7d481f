"""Programs without changes for this gateway: the ten lines of docs/RAZORPAY.md, Node call by call, and curl."""

from __future__ import annotations

import json
import re
import shutil
import sys
from typing import Any

from ops.console.environment import REPOSITORY
from tests.e2e.razorpay.programs import printed
from tests.e2e.razorpay.shop import DoubleShop, Front

DOCUMENT = (REPOSITORY / "docs/RAZORPAY.md").read_text(encoding="utf-8")
NODE = """
const Razorpay = require("razorpay");
const [key_id, key_secret] = process.argv.slice(1);
const client = new Razorpay({ key_id, key_secret });
const until = async (id, status) => {
  for (;;) { const found = await client.payments.fetch(id); if (found.status === status) return found; }
};
const refused = (call) => call.then(() => { throw new Error("was not refused"); }, (error) => error);
(async () => {
  const order = await client.orders.create({ amount: 50000, currency: "INR", payment_capture: 0, notes: { a: "b" } });
  const body = { amount: 50000, currency: "INR", order_id: order.id, method: "upi", vpa: "success@razorpay" };
  const { razorpay_payment_id: id } = await client.payments.createUpi(body);
  await until(id, "authorized");
  const said = {
    order: await client.orders.fetch(order.id),
    edited: await client.orders.edit(order.id, { notes: { c: "d" } }),
    payments: await client.orders.fetchPayments(order.id),
    captured: await client.payments.capture(id, 50000, "INR"),
    twice: await refused(client.payments.capture(id, 50000, "INR")),
    expanded: await client.payments.fetch(id, { "expand[]": "card" }),
    refund: await client.payments.refund(id, { amount: 10000, speed: "normal" }),
    refunds: await client.payments.fetchMultipleRefund(id),
    orders: await client.orders.all({ count: 1, authorized: 0 }),
    customer: await client.customers.create({ name: "Node", fail_existing: 0 }),
    unknown: await refused(client.payments.fetch("pay_nothing")),
    beyond: await refused(client.subscriptions.all({})),
  };
  console.log(JSON.stringify(said));
})().catch((error) => { console.error(error); process.exit(1); });
"""


def _program(language: str) -> str:
    """The document's program, line for line."""
    found = re.search(rf"^```{language} program\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_the_documents_python_program_runs_with_two_printed_lines(front: Front) -> None:
    said = printed([sys.executable, "-c", _program("python")], front.variables("HTTPS_PROXY", "PYTHONPATH"))
    assert said.split() == ["pending", "paid"]


def test_the_documents_node_program_runs_with_two_printed_lines(front: Front) -> None:
    said = printed(["node", "-e", _program("js")], front.variables("HTTPS_PROXY", "NODE_EXTRA_CA_CERTS"))
    assert said.split() == ["pending", "paid"]


def test_the_official_node_client_gets_what_it_reads(front: Front, shop: DoubleShop) -> None:
    variables = front.variables("HTTPS_PROXY", "NODE_EXTRA_CA_CERTS")
    said: dict[str, Any] = json.loads(printed(["node", "-e", NODE, shop.key, shop.secret], variables))
    assert said["order"]["status"] == "attempted" and said["order"]["notes"] == {"a": "b"}
    assert said["edited"]["notes"] == {"c": "d"}
    assert said["payments"]["count"] == 1
    assert (said["captured"]["status"], said["expanded"]["status"]) == ("captured", "captured")
    assert said["refund"]["entity"] == "refund" and said["refunds"]["count"] == 1
    assert said["orders"]["entity"] == "collection" and said["customer"]["name"] == "Node"
    for name, text in (
        ("twice", "payment has already been captured"),
        ("unknown", "does not exist"),
        ("beyond", "not part of this test double"),
    ):
        assert said[name]["statusCode"] == 400
        assert text in said[name]["error"]["description"]


def test_curl_reaches_the_double_by_the_printed_lines(front: Front, shop: DoubleShop) -> None:
    curl = shutil.which("curl")
    assert curl is not None
    said = printed(
        [curl, "-sS", "-u", f"{shop.key}:{shop.secret}", "https://api.razorpay.com/v1/orders?count=1"],
        front.variables("HTTPS_PROXY", "CURL_CA_BUNDLE"),
    )
    assert json.loads(said)["entity"] == "collection"
