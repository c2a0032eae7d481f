/** What the merchant owes because the bank reversed refunds or payments. Nothing is drawn without a debt. */
import { formatCount, formatMoney } from "web-shared/format";
import type { AnalyticsSummary } from "web-shared/wire";

interface OwedProps {
  owed: AnalyticsSummary["owed"];
  currency: string;
}

export function Owed({ owed, currency }: OwedProps) {
  if (owed.count === 0) return null;
  const more = owed.count - owed.payments.length;
  return (
    <section class="notice stack" aria-labelledby="owed-title" data-test-id="owed-notice">
      <strong id="owed-title">You owe {formatMoney(owed.amount_minor, currency)}</strong>
      <p>
        The bank reversed a payment, or carried out a refund that it had reported as failed. These payments no longer
        cover their refunds:
      </p>
      <ul class="owed-payments">
        {owed.payments.map((id) => (
          <li key={id}>
            <a class="mono" href={`/dashboard/payments/${id}`}>
              {id}
            </a>
          </li>
        ))}
        {more > 0 && <li>and {formatCount(more)} more</li>}
      </ul>
    </section>
  );
}
