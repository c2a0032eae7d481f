/**
 * Who pays, as the page that opened us knows it; nobody is asked for it here. What the API would refuse is left out: a
 * payer can mend neither a shop's typing error nor a field that is not on the screen.
 */
import type { Prefill } from "sdk/types";

export type Payer = Pick<Prefill, "name" | "email" | "contact">;

const EMAIL = /^(?=.{3,254}$)[^\s@\p{C}]{1,64}@[^\s@.\p{C}]+(\.[^\s@.\p{C}]+)+$/u;

export function payerOf({ name, email, contact }: Prefill): Payer {
  return kept({
    name: trimmed(name, (text) => /^[^\p{C}\p{Zl}\p{Zp}]{1,255}$/u.test(text)),
    email: trimmed(email, (text) => EMAIL.test(text)),
    contact: trimmed(contact, (text) => /^\+?\d{6,15}$/.test(text.replace(/[ .()-]/g, ""))),
  });
}

/** What comes from another page may be of any type. */
function trimmed(value: unknown, accepts: (text: string) => boolean): string | undefined {
  const text = typeof value === "string" ? value.trim() : "";
  return accepts(text) ? text : undefined;
}

function kept(payer: Payer): Payer {
  return Object.fromEntries(Object.entries(payer).filter(([, value]) => value !== undefined));
}
