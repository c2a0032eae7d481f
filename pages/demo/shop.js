/* The whole integration of the demo shop: one call of GatewayCheckout.open, and every callback shown as it comes. */
const byId = (id) => document.getElementById(id);

function say(type, data) {
  const line = document.createElement("li");
  const text = typeof data === "string" ? data : data && (data.code || data.id || data.method);
  line.textContent = text ? `${type}: ${text}` : type;
  byId("events").append(line);
}

async function buy(event) {
  event.preventDefault();
  byId("result").textContent = "";
  byId("events").replaceChildren();
  const { test_key: key } = await (await fetch("/config.json")).json();
  GatewayCheckout.open({
    key,
    amount: Math.round(Number(byId("amount").value) * 100),
    currency: "INR",
    theme: byId("theme").value,
    locale: byId("locale").value,
    prefill: { name: "Demo Payer" },
    onReady: () => say("ready"),
    onSubmit: (data) => say("submit", data),
    onStatus: (state) => say("status", state),
    onSuccess: (payment) => {
      say("success", payment);
      byId("result").textContent = `Thank you. Payment ${payment.id} was successful.`;
    },
    onFailure: (decline) => say("failure", decline),
    onError: (error) => {
      say("error", error);
      byId("result").textContent = error.message;
    },
    onClose: (reason) => say("close", reason),
  });
}

byId("shop").addEventListener("submit", buy);
