/** What a new key may be used for: the form of the dialog, and the body that it becomes. */
import type { ApiKey } from "web-shared/wire";

export type KeyScope = ApiKey["scopes"][number];

export interface KeyForm {
  name: string;
  scopes: readonly KeyScope[];
  /** Separated by commas or spaces. */
  addresses: string;
  /** Empty: never. */
  endsInDays: string;
}

interface NewKeyBody {
  name?: string;
  scopes?: readonly KeyScope[];
  addresses?: readonly string[];
  expires_at?: string;
}

export const NEW_KEY: KeyForm = { name: "", scopes: [], addresses: "", endsInDays: "" };
export const SCOPES: readonly (readonly [scope: KeyScope, text: string])[] = [
  ["read", "Read: payments, orders, refunds, events, analytics"],
  ["payments", "Payments: create orders, links and payments, capture, void"],
  ["refunds", "Refunds: give money back"],
  ["webhooks", "Webhooks: endpoints, retries, replays"],
  ["settings", "Settings: the merchant, keys and sessions"],
];
export const ENDS: readonly (readonly [days: string, text: string])[] = [
  ["", "never"],
  ["7", "in 7 days"],
  ["90", "in 90 days"],
  ["365", "in a year"],
];
const DAY_MS = 86_400_000;

/** The scopes in their documented order, with this one or without it. */
export function withScope(chosen: readonly KeyScope[], scope: KeyScope, included: boolean): readonly KeyScope[] {
  return SCOPES.map(([each]) => each).filter((each) => (each === scope ? included : chosen.includes(each)));
}

/** Empty fields are omitted. `now` in Unix milliseconds. */
export function newKeyBody(form: KeyForm, now: number): NewKeyBody {
  const name = form.name.trim();
  const addresses = form.addresses.split(/[\s,]+/).filter((each) => each !== "");
  return {
    ...(name !== "" && { name }),
    ...(form.scopes.length > 0 && { scopes: form.scopes }),
    ...(addresses.length > 0 && { addresses }),
    ...(form.endsInDays !== "" && { expires_at: new Date(now + Number(form.endsInDays) * DAY_MS).toISOString() }),
  };
}

/** For the list: "everything", or the scopes' names. */
export function mayDo(key: Pick<ApiKey, "scopes">): string {
  return key.scopes.length === 0 ? "everything" : key.scopes.join(", ");
}
