/**
 * One idempotency key for each attempt to pay an order, kept in sessionStorage: fifty clicks, an Enter and a reload in
 * the middle are one attempt, and so one payment. A new key comes only after a payment that failed.
 *
 * What is kept: the key and the payment's id. Never anything the payer typed.
 */
export interface Attempt {
  key: string;
  payment_id?: string;
}

export interface Attempts {
  /** The running attempt; made where there is none. */
  begin(): Attempt;
  current(): Attempt | null;
  /** The payment that this attempt became. */
  became(paymentId: string): void;
  end(): void;
}

export function attemptsOf(orderId: string, storage: Storage | null): Attempts {
  const name = `attempt ${orderId}`;
  let kept = read(storage, name);
  const keep = (attempt: Attempt | null): void => {
    kept = attempt;
    try {
      if (attempt) storage?.setItem(name, JSON.stringify(attempt));
      else storage?.removeItem(name);
    } catch {
      // A full or forbidden storage: memory still guards this page.
    }
  };
  return {
    begin() {
      if (!kept) keep({ key: newKey() });
      return kept as Attempt;
    },
    current: () => kept,
    became(paymentId) {
      keep({ key: kept?.key ?? newKey(), payment_id: paymentId });
    },
    end: () => keep(null),
  };
}

/** The tab's storage; null where the browser forbids it (some frames). */
export function sessionStorageOrNull(): Storage | null {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}

function read(storage: Storage | null, name: string): Attempt | null {
  try {
    const found: unknown = JSON.parse(storage?.getItem(name) ?? "null");
    return found && typeof found === "object" && "key" in found ? (found as Attempt) : null;
  } catch {
    return null;
  }
}

/** 128 random bits. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `chk_${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
