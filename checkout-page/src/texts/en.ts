/** Every text of the checkout, in English. Other languages have the same keys (the type checker enforces it). */
import type { Method } from "sdk/types";
import type { MoneyState } from "web-shared/money";

interface MethodTexts {
  label: string;
  hint: string;
  /** The payer's step while the bank decides. */
  waiting: string;
}

export type TitleAndText = readonly [title: string, text: string];

const returning = (amount: string) => `${amount} is on its way back to the account it was paid from.`;
const returned = (amount: string) => `${amount} went back to the account it was paid from.`;
const released = (amount: string) => `${amount} goes back to the account it was paid from.`;
const kept = (amount: string) => `${amount} has not gone back yet. Contact the shop with this payment ID.`;

export const en = {
  title: "Payment",
  pay_merchant: (merchant: string) => `Pay ${merchant}`,
  amount_to_pay: "Amount to pay",
  amount_paid: "Amount paid",
  order: "Order",
  receipt: "Receipt",
  pay_by: "Pay by",
  choose: "How would you like to pay?",
  methods: {
    upi: { label: "UPI", hint: "Any UPI app", waiting: "Approve the request in your UPI app." },
    card: { label: "Card", hint: "Credit or debit", waiting: "" },
    netbanking: { label: "Netbanking", hint: "Your bank's page", waiting: "" },
  } satisfies Record<Method, MethodTexts>,
  vpa: "UPI ID",
  vpa_hint: "A request appears in your UPI app; approve it there.",
  scan: "Scan with any UPI app",
  scan_hint: "The amount is already filled in.",
  scan_hint_test: "Test mode: real UPI apps cannot pay this code.",
  show_code: "Show a QR code",
  scan_test: "Approve in the app",
  refuse_test: "Decline in the app",
  scan_label: (amount: string) => `QR code to pay ${amount} by UPI`,
  open_app: "Pay with an app",
  any_app: "Another UPI app",
  or: "or",
  bank: "Your bank",
  bank_choose: "Choose your bank",
  bank_next: "You confirm the payment on your bank's page.",
  number: "Card number",
  expiry: "Expiry (MM/YY)",
  name: "Name on card",
  cvv: "Security code",
  cvv_hint: (digits: number) => `${digits} digits`,
  pay: (amount: string) => `Pay ${amount}`,
  not_stored: "Card number and security code are never stored.",
  cancel: "Cancel and return",
  test_mode: "Test mode: no money moves.",
  test_outcome: "Outcome",
  test_fill: "Fill in test data",
  outcomes: {
    success: "Succeeds",
    declined: "Declined",
    insufficient: "Insufficient funds",
    timeout: "Bank never responds (UPI)",
    unknown: "First response is lost (UPI)",
    slow: "Slow bank (UPI)",
  },
  loading: "Loading your order",
  submitting: "Sending payment...",
  processing: "Processing payment...",
  processing_hint: "Do not pay again. This page updates automatically.",
  processing_long:
    "This is taking longer than usual. The payment continues even if you close this page. Do not pay again.",
  another_way: "Pay another way",
  leaving: {
    requested: "Your bank is cancelling this attempt. Then you can pay another way.",
    refused: "Your bank does not cancel this attempt. Approve or decline it first.",
  },
  bank_title: "Complete the payment at your bank",
  bank_continue: "Continue to your bank",
  bank_hint: "The result will appear here. You are not charged until you confirm at your bank.",
  success_title: "Payment successful",
  success: "Your payment has been processed successfully",
  paid_title: "This order is already paid",
  paid: "Nothing more is due. Here is the receipt.",
  titles: {
    returning: "This payment is being refunded",
    returned: "This payment was refunded",
    reversed: "This payment was reversed",
  } as Partial<Record<MoneyState, string>>,
  /** What is known about the money, in each state that has more to say than the screen's own title and text. */
  money: {
    returning,
    returned,
    voided_returning: returning,
    voided_returned: returned,
    voided_kept: kept,
    released,
    part_released: released,
    part_kept: kept,
    reversed: (amount) => `The bank has returned ${amount} to the account it was paid from.`,
    not_taken: () => "You have not been charged.",
    unconfirmed: () => "The bank has not confirmed this payment. If money was taken, it will be returned to you.",
    late_returning: (amount) => `${amount} was taken after all. It is on its way back to the account it was paid from.`,
    late_returned: (amount) => `${amount} was taken and returned to the account it was paid from.`,
    late_kept: (amount) =>
      `${amount} was taken after all and has not gone back yet. Contact the shop with this payment ID.`,
  } as Partial<Record<MoneyState, (amount: string) => string>>,
  /** Why the shop has not kept a successful payment. */
  voided: {
    requested: ["This payment was cancelled", "The shop has cancelled it."] as TitleAndText,
    expired: ["This payment has expired", "The shop did not accept it in time."] as TitleAndText,
  },
  not_sent: "You were not charged for this attempt.",
  refunded: "Refunded",
  refund_pending: "Refund on its way",
  amount_returned: "Amount returned",
  payment_id: "Payment ID",
  amount: "Amount",
  paid_to: "Paid to",
  method: "Method",
  date: "Date",
  print: "Print receipt",
  done: "Done",
  back_to: (merchant: string) => `Back to ${merchant}`,
  returning: (merchant: string) => `You will return to ${merchant} in a moment.`,
  failed_title: "Payment failed",
  unknown_title: "No response from the server",
  unknown: "We don't know yet whether the payment went through. Try again: if it did, you will see the result here.",
  retry: "Try Again",
  expired: ["This order has expired", "It can no longer be paid. Go back to the shop and order again."] as TitleAndText,
  cancelled: ["This order was cancelled", "The shop has cancelled it. It can no longer be paid."] as TitleAndText,
  not_found_title: "Order not found",
  not_found: "The link is incomplete or wrong. Go back to the shop and start again.",
  refused_title: "Payment not available here",
  refused: "This page is not allowed to open the shop's checkout. Go back to the shop and start again.",
  offline_title: "You are offline",
  offline: "We'll continue automatically when you're back online.",
  offline_notice: "You are offline. We'll continue automatically when you're back online.",
  server_down_title: "The payment server is unavailable",
  server_down: "We'll keep trying. A payment you have already sent continues.",
  faults: {
    vpa: { required: "Enter your UPI ID", invalid: "Enter it like name@bank" },
    bank: { required: "Choose your bank" },
    number: {
      required: "Enter the card number",
      incomplete: "The card number is too short",
      invalid: "Check the card number: a digit is wrong",
    },
    expiry: {
      required: "Enter the expiry date",
      invalid: "Enter month and year, like 09/29",
      past: "This card has expired",
    },
    cvv: {
      required: "Enter the security code",
      incomplete: "The security code is too short",
      invalid: "Check the security code: it has 3 or 4 digits",
    },
  } as Record<string, Partial<Record<"required" | "incomplete" | "invalid" | "past", string>>>,
  declines: {
    CARD_DECLINED: "Your bank declined the card. Try another card or pay another way.",
    INSUFFICIENT_FUNDS: "Insufficient funds. Try another way to pay.",
    UPI_DECLINED: "The UPI request was declined. Try again or pay another way.",
    BANK_DECLINED: "Your bank declined the payment. Try again or pay another way.",
    PAYMENT_CANCELLED: "You cancelled the payment at your bank.",
    PAYMENT_ABANDONED: "The payment was not completed at your bank in time.",
    AUTHENTICATION_FAILED: "Your bank could not confirm that it was you. Try again or pay another way.",
    BANK_TIMEOUT: "The bank did not respond in time.",
    ORDER_EXPIRED: "The order expired before the bank responded.",
    CARD_DISABLED: "Your card is not enabled for online payments. Enable it at your bank or pay another way.",
    CARD_NUMBER_INVALID: "The bank did not recognize this card number. Check it or use another card.",
    GATEWAY_TECHNICAL_ERROR: "The bank had a technical problem. Try again or pay another way.",
    PAYMENT_FAILED: "The payment did not go through. Try again or pay another way.",
  } as Record<string, string>,
};

export type Texts = typeof en;
