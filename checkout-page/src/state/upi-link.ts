/** UPI deep links: what a QR code holds and what a phone's app opens (NPCI, UPI linking specification). */

export interface UpiRequest {
  payee: string;
  payeeName: string;
  /** `500.00` */
  amount: string;
  currency: string;
  reference: string;
}

/** Query with spaces as %20, because some apps read + literally. */
export function upiLink(request: UpiRequest, scheme = "upi://pay"): string {
  const fields = {
    pa: request.payee,
    pn: request.payeeName,
    tr: request.reference,
    am: request.amount,
    cu: request.currency,
  };
  const query = Object.entries(fields).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return `${scheme}?${query.join("&")}`;
}

/** Apps that take the same query under a scheme of their own. */
export const UPI_APPS = [
  { name: "Google Pay", scheme: "tez://upi/pay" },
  { name: "PhonePe", scheme: "phonepe://pay" },
  { name: "Paytm", scheme: "paytmmp://pay" },
] as const;
