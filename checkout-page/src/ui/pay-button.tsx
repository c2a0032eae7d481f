/** `Pay ₹500.00`; while the payment is sent, it shows that and ignores a second press. */
import { useTexts } from "../texts/language.ts";

export function PayButton({ amount, busy }: { amount: string; busy: boolean }) {
  const texts = useTexts();
  return (
    <button type="submit" class="button pay" data-test-id="pay-button" aria-disabled={busy || undefined}>
      {busy ? <span class="spinner small-spinner" aria-hidden="true" /> : <Lock />}
      {busy ? texts.submitting : texts.pay(amount)}
    </button>
  );
}

function Lock() {
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      <path d="M4 7V5a4 4 0 0 1 8 0v2h.5A1.5 1.5 0 0 1 14 8.5v5a1.5 1.5 0 0 1-1.5 1.5h-9A1.5 1.5 0 0 1 2 13.5v-5A1.5 1.5 0 0 1 3.5 7zm1.7 0h4.6V5a2.3 2.3 0 0 0-4.6 0z" />
    </svg>
  );
}
