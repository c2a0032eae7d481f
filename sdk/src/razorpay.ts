/**
 * `razorpay.js`, served as `/v1/checkout.js`: pages written for Razorpay's checkout.js open this gateway's modal.
 *
 *   new Razorpay(options).open()  →  context of the order  →  modal  →  success → handler | callback_url (form POST)
 *                                                                     failure → on("payment.failed") | callback_url
 *                                                                     close   → modal.ondismiss
 *
 * A test double (docs/RAZORPAY.md): options and events without an effect here are named once in the console.
 */
import { createCheckout } from "./checkout.ts";
import type { CloseReason, Handle, Payment, Prefill } from "./types.ts";

type Fields = Record<string, unknown>;
type Listener = (response: Fields) => void;

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
  modal?: { ondismiss?: () => void; escape?: boolean; confirm_close?: boolean };
  retry?: boolean | { enabled?: boolean };
  timeout?: number;
}

/** Options with an effect; `modal`, `prefill` and `retry` are looked into. */
const USED = [
  "key order_id amount currency description notes handler callback_url redirect timeout modal prefill retry",
  "modal.ondismiss modal.escape modal.confirm_close retry.enabled",
  "prefill.name prefill.email prefill.contact prefill.method prefill.vpa",
].flatMap((names) => names.split(" "));
const METHODS = ["card", "upi", "netbanking"];
const ATTEMPTS = 5;
const LEAVE = "Do you want to leave this payment?";
const page = window as unknown as { Razorpay?: unknown; gatewayCheckoutUrl?: string };
const script = document.currentScript as HTMLScriptElement;
const origin = page.gatewayCheckoutUrl ?? new URL(script.src).origin;
/** Of the page's one opening. */
let mayClose = (_reason: CloseReason) => true;
const { GatewayCheckout } = createCheckout(origin, (reason) => mayClose(reason));

let api: Promise<string> | undefined;
const reported: string[] = [];

/** POST to the double; returns its response, whatever the status. No response, or a transient error, is retried. */
async function post(path: string, body: Fields): Promise<Fields> {
  for (let attempt = 1; ; attempt++) {
    const last = attempt === ATTEMPTS;
    try {
      api ??= fetch(`${origin}/config.json`).then(async (response) => (await response.json()).api_url);
      const response = await fetch(`${await api}/v1/checkout/public/${path}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      });
      if (last || (response.status < 500 && response.status !== 429)) return await response.json();
    } catch (error) {
      api = undefined;
      if (last) return { error: problem("SERVER_ERROR", String(error)) };
    }
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}

/** Errors that show nowhere else: a wrong key or order, a gateway that does not respond. */
function complain(error: unknown): void {
  // biome-ignore lint/suspicious/noConsole: the page's author is to know, and looks there
  console.error("Razorpay test double:", error);
}

function problem(code: string, description: string): Fields {
  return { code, description, source: "NA", step: "NA", reason: "NA", metadata: {} };
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

/** Each name once in a page's life. */
function report(names: string[]): void {
  const fresh = names.filter((name) => !reported.includes(name));
  if (!fresh.length) return;
  reported.push(...fresh);
  // biome-ignore lint/suspicious/noConsole: the page's author is to know, and looks there
  console.info(`Razorpay test double: without effect here: ${fresh.join(", ")}`);
}

function ignored(options: Options): string[] {
  const names = Object.keys(options);
  for (const part of ["modal", "prefill", "retry"] as const)
    if (typeof options[part] === "object") for (const name in options[part]) names.push(`${part}.${name}`);
  const method = options.prefill?.method;
  return names.filter((name) => !USED.includes(name) || (name === "prefill.method" && !METHODS.includes(method ?? "")));
}

function Razorpay(options: Options) {
  const listeners: [string, Listener, boolean][] = [];
  let handle: Handle | undefined;
  const emit = (type: string, response: Fields = {}): void => {
    for (const entry of listeners.filter(([listened]) => listened === type)) {
      if (entry[2]) listeners.splice(listeners.indexOf(entry), 1);
      entry[1](response);
    }
  };
  const { key, order_id, callback_url, redirect, retry } = options;
  const prefill = options.prefill ?? {};
  const modal = options.modal ?? {};
  const leaves = callback_url && (redirect || !options.handler);

  const refuse = (error: unknown): void => {
    complain(error);
    emit("payment.failed", { error });
  };
  const settled = async (payment: Payment, failed: boolean): Promise<void> => {
    const response = await post("complete", { key, order_id: payment.order_id, payment_id: payment.id });
    if (failed) emit("payment.failed", response);
    else if (response.error) complain(response.error); // paid, but not proved: not a failure of the payment
    if (failed && retry !== false && (retry as { enabled?: boolean })?.enabled !== false && !leaves) return;
    handle?.close("done");
    if (leaves) submit(callback_url, response);
    else if (!response.error) options.handler?.(response);
  };

  const open = async (): Promise<void> => {
    report(ignored(options));
    const { description, notes } = options;
    if (order_id) {
      const { email, contact } = prefill;
      const { error } = await post("open", { key, order_id, email, contact, description, notes });
      if (error) return refuse(error);
    }
    mayClose = (reason) => {
      if (reason === "escape" && modal.escape === false) return false;
      return !modal.confirm_close || (reason !== "escape" && reason !== "user") || confirm(LEAVE);
    };
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
      onError: ({ message }) => refuse(problem("BAD_REQUEST_ERROR", message)),
      onClose: (reason) => {
        clearTimeout(timer);
        if (reason !== "done") modal.ondismiss?.();
      },
    });
    if (options.timeout) timer = setTimeout(() => handle?.close("timeout"), options.timeout * 1_000);
  };

  const add = (type: string, listener: Listener, once: boolean) => {
    if (type === "ready")
      queueMicrotask(() => listener({})); // there is nothing to wait for
    else {
      if (type !== "payment.failed") report([`on("${type}")`]);
      listeners.push([type, listener, once]);
    }
  };
  return {
    open: () => void open(),
    close: () => void handle?.close("closed"),
    on: (type: string, listener: Listener) => add(type, listener, false),
    once: (type: string, listener: Listener) => add(type, listener, true),
  };
}

page.Razorpay ??= Razorpay;
