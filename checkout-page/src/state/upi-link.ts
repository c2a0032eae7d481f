/** UPI links as the API makes them (`next_action.url`, domain/upi.py), for the apps that open them. */

/** Apps that take the same query under a scheme of their own. */
export const UPI_APPS = [
  { name: "Google Pay", scheme: "tez://upi/pay" },
  { name: "PhonePe", scheme: "phonepe://pay" },
  { name: "Paytm", scheme: "paytmmp://pay" },
] as const;

/** `upi://pay?…` under the scheme of one app. */
export function linkFor(scheme: string, link: string): string {
  return link.replace(/^upi:\/\/pay/, scheme);
}
