/**
 * `razorpay.js`, served as `/v1/checkout.js`: pages written for Razorpay's checkout.js open this gateway's modal.
 *
 *   new Razorpay(options).open()  →  context of the order  →  modal  →  success → handler | callback_url (form POST)
 *                                                                     failure → on("payment.failed") | callback_url
 *                                                                     close   → modal.ondismiss
 *
 * A test double (docs/RAZORPAY.md): options without an effect here are named once in the console.
 */
import { createCheckout } from "./checkout.ts";
import type { Handle, Payment, Prefill } from "./types.ts";

type Fields = Record<string, unknown>;
type Listener = (answer: Fields) => void;

interface Options {
  key: string;
  order_id?: string;
  amount?: number | string;
  currency?: string;
  description?: string;
  notes?: Record<string, string>;
  prefill?: Prefill & { method?: string };
  handler?: Listener;
  callback_url?: string;
  redirect?: boolean;
  modal?: { ondismiss?: () => void };
  retry?: boolean | { enabled?: boolean };
  timeout?: number;
}

const USED =
  "key order_id amount currency description notes prefill handler callback_url redirect modal retry timeout".split(" ");
const page = window as unknown as { Razorpay?: unknown; gatewayCheckoutUrl?: string };
const script = document.currentScript as HTMLScriptElement;
const origin = page.gatewayCheckoutUrl ?? new URL(script.src).origin;
const { GatewayCheckout } = createCheckout(origin);

let api: Promise<string> | undefined;
let said = false;

/** POST to the double; what it answers, whatever its status. */
async function ask(path: string, body: Fields): Promise<Fields> {
  api ??= fetch(`${origin}/config.json`).then(async (answer) => (await answer.json()).api_url);
  const answer = await fetch(`${await api}/v1/checkout/public/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  return answer.json();
}

/** Leave the page by a form, as the original does: `error[code]=…` for what is nested. */
function submit(url: string, fields: Fields): void {
  const form = document.createElement("form");
  form.method = "POST";
  form.action = url;
  const add = (name: string, value: unknown): void => {
    if (value && typeof value === "object")
      for (const [part, inner] of Object.entries(value)) add(`${name}[${part}]`, inner);
    else {
      const input = document.createElement("input");
      input.type = "hidden";
      input.name = name;
      input.value = String(value ?? "");
      form.append(input);
    }
  };
  for (const [name, value] of Object.entries(fields)) add(name, value);
  document.body.append(form);
  form.submit();
}

function tellIgnored(options: Options): void {
  const names = Object.keys(options).filter((name) => !USED.includes(name));
  if (!names.length || said) return;
  said = true;
  // biome-ignore lint/suspicious/noConsole: the page's author is to know, and looks there
  console.info(`Razorpay test double: without effect here: ${names.join(", ")}`);
}

function Razorpay(options: Options) {
  const listeners: [string, Listener, boolean][] = [];
  let handle: Handle | undefined;
  const emit = (type: string, answer: Fields = {}): void => {
    for (const entry of listeners.filter(([listened]) => listened === type)) {
      if (entry[2]) listeners.splice(listeners.indexOf(entry), 1);
      entry[1](answer);
    }
  };
  const { key, order_id, prefill = {}, callback_url, redirect, retry } = options;
  const leaves = callback_url && (redirect || !options.handler);

  const settled = async (payment: Payment, failed: boolean): Promise<void> => {
    const answer = await ask("complete", { key, order_id: payment.order_id, payment_id: payment.id });
    if (failed) emit("payment.failed", answer);
    if (failed && retry !== false && (retry as { enabled?: boolean })?.enabled !== false && !leaves) return;
    handle?.close("done");
    if (leaves) submit(callback_url, answer);
    else if (!failed) options.handler?.(answer);
  };

  const open = async (): Promise<void> => {
    tellIgnored(options);
    const { description, notes } = options;
    if (order_id) {
      const { email, contact } = prefill;
      const { error } = await ask("open", { key, order_id, email, contact, description, notes });
      if (error) {
        // biome-ignore lint/suspicious/noConsole: a wrong key or order shows nowhere else
        console.error("Razorpay test double:", error);
        emit("payment.failed", { error });
        return;
      }
    }
    let timer: ReturnType<typeof setTimeout>;
    handle = GatewayCheckout.open({
      key,
      order_id,
      amount: order_id ? undefined : Number(options.amount),
      currency: options.currency,
      notes,
      method: prefill.method as Payment["method"],
      prefill,
      onSuccess: (payment) => settled(payment, false),
      onFailure: (decline) => settled(decline.payment, true),
      onClose: (reason) => {
        clearTimeout(timer);
        if (reason !== "done") options.modal?.ondismiss?.();
      },
    });
    if (options.timeout) timer = setTimeout(() => handle?.close("timeout"), options.timeout * 1_000);
  };

  const add = (type: string, listener: Listener, once: boolean) => {
    if (type === "ready")
      queueMicrotask(() => listener({})); // there is nothing to wait for
    else listeners.push([type, listener, once]);
  };
  return {
    open: () => void open(),
    close: () => void handle?.close("closed"),
    on: (type: string, listener: Listener) => add(type, listener, false),
    once: (type: string, listener: Listener) => add(type, listener, true),
  };
}

page.Razorpay ??= Razorpay;
