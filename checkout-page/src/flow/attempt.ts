/**
 * One idempotency key for each attempt to pay an order, kept in sessionStorage: fifty clicks, an Enter and a reload in
 * the middle are one attempt, and so one payment. A new key comes only after a payment that failed.
 *
 * It stores the key, the payment's id, and the id of the previous payment, never anything that the payer typed.
 */
export interface Attempt {
  key: string;
  payment_id?: string;
  /** The order's latest payment when the attempt began. */
  after?: string;
}

export interface Attempts {
  /** The running attempt; made if there is none. */
  begin(): Attempt;
  current(): Attempt | null;
  /** The payment that this attempt became. */
  became(paymentId: string): void;
  /** The order's latest payment. If an attempt's response was lost, a payment that is newer than it belongs to it. */
  saw(paymentId: string | undefined): void;
  end(): void;
}

export function attemptsOf(orderId: string, storage: Storage | null): Attempts {
  const name = `attempt ${orderId}`;
  let kept = read(storage, name);
  let latest: string | undefined;
  const keep = (attempt: Attempt | null): void => {
    kept = attempt;
    try {
      if (attempt) storage?.setItem(name, JSON.stringify(attempt));
      else storage?.removeItem(name);
    } catch {
      // Storage is full or forbidden: memory still protects this page.
    }
  };
  const became = (paymentId: string): void => {
    latest = paymentId;
    keep({ key: kept?.key ?? newKey(), payment_id: paymentId });
  };
  return {
    begin() {
      if (!kept) keep({ key: newKey(), after: latest });
      return kept as Attempt;
    },
    current: () => kept,
    became,
    saw(paymentId) {
      if (kept && !kept.payment_id && paymentId && paymentId !== kept.after) became(paymentId);
      latest = paymentId;
    },
    end: () => keep(null),
  };
}

/** The tab's storage; null if the browser forbids it (some frames). */
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
