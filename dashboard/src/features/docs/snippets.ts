/**
 * The snippets of the docs page, with this gateway's own addresses and the reader's own key. The browser tests take
 * them from the page and run them: these snippets work.
 */

export interface Where {
  apiUrl: string;
  checkoutUrl: string;
  key: string;
}

export function createOrderSnippet({ apiUrl, key }: Where): string {
  return `curl -s -X POST ${apiUrl}/api/v1/orders \\
  -u "${key}:$API_SECRET" \\
  -H "Content-Type: application/json" \\
  -H "Idempotency-Key: invoice-1001" \\
  -d '{"amount": 50000, "currency": "INR", "receipt": "invoice-1001"}'`;
}

export function payOrderSnippet({ apiUrl, key }: Where): string {
  return `curl -s -X POST ${apiUrl}/api/v1/payments \\
  -u "${key}:$API_SECRET" \\
  -H "Content-Type: application/json" \\
  -d '{"order_id": "'"$ORDER_ID"'", "method": "upi", "vpa": "success@upi"}'`;
}

export function sdkSnippet({ checkoutUrl, key }: Where): string {
  return `<script src="${checkoutUrl}/gateway.js"></script>
<button id="pay">Pay</button>
<script>
  document.getElementById("pay").addEventListener("click", () => {
    GatewayCheckout.open({
      key: "${key}",
      order_id: "ORDER_ID", // made by your server
      onSuccess: (payment) => console.log("paid", payment.id), // not proof: verify on your server
      onFailure: (error) => console.log("declined", error.code),
      onClose: (reason) => console.log("closed", reason),
    });
  });
</script>`;
}

export function nodeWebhookSnippet(): string {
  return `const crypto = require("node:crypto");

// body: the raw bytes as received, before any JSON parsing
function isGenuine(body, signature, secret) {
  const expected = crypto.createHmac("sha256", secret).update(body).digest("hex");
  const given = Buffer.from(signature ?? "");
  return given.length === expected.length && crypto.timingSafeEqual(given, Buffer.from(expected));
}

// isGenuine(request.rawBody, request.headers["x-webhook-signature"], process.env.WEBHOOK_SECRET)`;
}

export function pythonWebhookSnippet(): string {
  return `import hashlib
import hmac


def is_genuine(body: bytes, signature: str, secret: str) -> bool:
    """body: the raw bytes as received, before any JSON parsing."""
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(signature.encode(), expected.encode())`;
}

/** A program written for Razorpay, in test mode: only `base_url` differs from elsewhere. */
export function razorpaySnippet({ apiUrl, key }: Where): string {
  return `import os
import time

import razorpay

client = razorpay.Client(auth=("${key}", os.environ["API_SECRET"]), base_url="${apiUrl}")
order = client.order.create({"amount": 50000, "currency": "INR", "receipt": "invoice-1001"})
upi = {"amount": 50000, "currency": "INR", "order_id": order["id"], "method": "upi", "vpa": "success@razorpay"}
client.payment.createUpi(upi)
while client.order.fetch(order["id"])["status"] != "paid":
    time.sleep(0.1)
print(client.order.payments(order["id"])["items"][0]["status"])`;
}
