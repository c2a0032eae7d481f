/**
 * The payment methods, one row each. Every page reads label, icon and description here; a method also needs its form
 * (checkout-page/src/methods.ts) and its texts (checkout-page/src/texts). The compiler names all three when the API gets
 * another method.
 */
import type { Method, PublicPayment } from "./wire.ts";

/** What names the instrument of a payment. */
export type Instrumented = Pick<PublicPayment, "method" | "vpa" | "flow" | "card_network" | "card_last4" | "bank">;

export interface MethodRow {
  label: string;
  /** `d` of a path in a 24 × 24 box, drawn with a stroke. */
  icon: string;
  /** The id of its form in the checkout. */
  form: string;
  /** The instrument as a sentence names it: `UPI success@upi`, `Visa ···· 1111`. */
  describe(payment: Instrumented): string;
  /** The same beside the method's name: `success@upi`, `Visa ···· 1111`. */
  detail(payment: Instrumented): string;
}

/** The banks of netbanking, as domain/netbanking.py names them; a test compares the two. */
export const BANK_NAMES: Readonly<Record<string, string>> = {
  HDFC: "HDFC Bank",
  ICIC: "ICICI Bank",
  SBIN: "State Bank of India",
  UTIB: "Axis Bank",
  KKBK: "Kotak Mahindra Bank",
  PUNB: "Punjab National Bank",
  BARB: "Bank of Baroda",
  CNRB: "Canara Bank",
};

/** A card network as the API names it (domain/card.py). */
export type Brand = keyof typeof NETWORK_NAMES;

export const NETWORK_NAMES = {
  visa: "Visa",
  mastercard: "Mastercard",
  amex: "American Express",
  rupay: "RuPay",
  unionpay: "UnionPay",
  jcb: "JCB",
  diners: "Diners Club",
  maestro: "Maestro",
  unknown: "",
};

export const METHODS = {
  upi: {
    label: "UPI",
    icon: "M4 5.5 9 12l-5 6.5M11 5.5 16 12l-5 6.5M16.5 5.5h4M16.5 18.5h4",
    form: "upi-form",
    describe: ({ vpa, flow }) => `UPI ${vpa ?? (flow ? "QR" : "")}`.trim(),
    detail: ({ vpa, flow }) => vpa ?? (flow ? "QR" : ""),
  },
  card: {
    label: "Card",
    icon: "M3 6.5h18v11H3zM3 10.2h18M6.5 14.3h4",
    form: "card-form",
    describe: (payment) => cardText(payment, "Card"),
    detail: (payment) => cardText(payment, ""),
  },
  netbanking: {
    label: "Netbanking",
    icon: "M3.5 9.5 12 4.5l8.5 5zM5 19h14M6.5 12v4.5M12 12v4.5M17.5 12v4.5",
    form: "netbanking-form",
    describe: (payment) => `Netbanking ${bankText(payment)}`.trim(),
    detail: bankText,
  },
} satisfies Record<Method, MethodRow>;

export const METHOD_NAMES = Object.keys(METHODS) as readonly Method[];

/** The method's row. An API newer than this page may name a method that is not in the table. */
export function methodOf(name: string): MethodRow {
  const rows: Readonly<Record<string, MethodRow>> = METHODS;
  return rows[name] ?? { label: name, icon: "", form: "", describe: () => name, detail: () => "" };
}

/** How a payment was made. */
export function formatInstrument(payment: Instrumented): string {
  return methodOf(payment.method).describe(payment);
}

function bankText({ bank }: Instrumented): string {
  return BANK_NAMES[bank ?? ""] ?? bank ?? "";
}

function cardText({ card_network, card_last4 }: Instrumented, unknownNetwork: string): string {
  const names: Readonly<Record<string, string>> = NETWORK_NAMES;
  return `${names[card_network ?? ""] || unknownNetwork} ···· ${card_last4 ?? ""}`.trim();
}
