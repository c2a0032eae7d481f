/** What a person types for a payment link, and the request it becomes. Pure. */
import { inputToMinor } from "web-shared/format";
import type { NewPaymentLink } from "web-shared/wire";

export interface LinkText {
  amount: string;
  currency: string;
  description: string;
  reference: string;
  name: string;
  email: string;
  contact: string;
  /** The reader's own time, as `<input type="datetime-local">` has it; empty: never. */
  expires: string;
}

export const NO_LINK: LinkText = {
  amount: "",
  currency: "INR",
  description: "",
  reference: "",
  name: "",
  email: "",
  contact: "",
  expires: "",
};

/** The body of `POST /payment-links`; null while the amount is not valid. */
export function linkOf(text: LinkText): NewPaymentLink | null {
  const currency = text.currency.trim().toUpperCase();
  const amount = inputToMinor(text.amount.trim(), currency);
  if (amount === null || amount === 0) return null;
  const customer = { name: given(text.name), email: given(text.email), contact: given(text.contact) };
  return {
    amount,
    currency,
    description: given(text.description),
    reference: given(text.reference),
    customer: Object.values(customer).some((value) => value !== null) ? customer : null,
    expires_at: text.expires === "" ? null : new Date(text.expires).toISOString(),
  };
}

function given(text: string): string | null {
  return text.trim() || null;
}
