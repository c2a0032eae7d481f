/**
 * Who pays, from the page that opened us; this page has no fields for it. What the API would refuse is omitted: a
 * payer can fix neither a shop's typing error nor a field that is not on the screen.
 */
import type { Prefill } from "sdk/types";

export type Payer = Pick<Prefill, "name" | "email" | "contact">;

export function payerOf({ name, email, contact }: Prefill): Payer {
  return {
    name: fitting(name, /^[^\p{C}\p{Zl}\p{Zp}]{1,255}$/u),
    email: fitting(email, /^(?=.{1,254}$)[^\s@]{1,64}@[^\s@.]+(\.[^\s@.]+)+$/),
    contact: fitting(contact, /^\+?([ .()-]*\d){6,15}$/),
  };
}

/** What comes from another page may be of any type. */
function fitting(value: unknown, form: RegExp): string | undefined {
  const text = typeof value === "string" ? value.trim() : "";
  return form.test(text) ? text : undefined;
}
