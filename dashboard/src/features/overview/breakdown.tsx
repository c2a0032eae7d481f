/** How the period's payments split: by method, by reason of failure, by time to their outcome. */
import { formatCount, formatDuration, formatMoneyFitting, formatPercent } from "web-shared/format";
import { methodOf } from "web-shared/methods";
import type { AnalyticsSummary } from "web-shared/wire";

export function Breakdown({ summary, from }: { summary: AnalyticsSummary; from: string }) {
  const list = `/dashboard/transactions?from=${encodeURIComponent(from)}&currency=${summary.currency}`;
  const { p50, p95 } = summary.time_to_outcome_ms;
  const failures = summary.by_error_code.reduce((sum, row) => sum + row.count, 0);
  return (
    <div class="three">
      <section class="card pad">
        <h2>Methods</h2>
        {summary.by_method.length === 0 && <p class="muted small">No payments yet.</p>}
        <ul class="shares">
          {summary.by_method.map((row) => (
            <Share
              key={row.method}
              href={`${list}&method=${row.method}`}
              name={methodOf(row.method).label}
              share={row.count / Math.max(summary.payments_total, 1)}
              note={`${formatCount(row.count)} · ${formatMoneyFitting(row.volume_minor, summary.currency)}`}
            />
          ))}
        </ul>
      </section>
      <section class="card pad">
        <h2>Failure reasons</h2>
        {summary.by_error_code.length === 0 && <p class="muted small">No failures.</p>}
        <ul class="shares">
          {summary.by_error_code.map((row) => (
            <Share
              key={row.error_code}
              href={`${list}&status=failed`}
              name={reasonText(row.error_code)}
              share={row.count / failures}
              note={formatCount(row.count)}
              bad
            />
          ))}
        </ul>
      </section>
      <section class="card pad">
        <h2>Time to outcome</h2>
        <dl class="pair">
          <div>
            <dt>Median</dt>
            <dd>{p50 === null ? "–" : formatDuration(p50)}</dd>
          </div>
          <div>
            <dt>95 of 100 within</dt>
            <dd>{p95 === null ? "–" : formatDuration(p95)}</dd>
          </div>
        </dl>
        <h2 class="second">Webhooks</h2>
        <dl class="pair">
          <div>
            <dt>Delivered</dt>
            <dd>{formatCount(summary.webhooks.delivered)}</dd>
          </div>
          <div>
            <dt>Failed for good</dt>
            <dd>
              <a href="/dashboard/webhooks/dead-letters">{formatCount(summary.webhooks.failed)}</a>
            </dd>
          </div>
        </dl>
      </section>
    </div>
  );
}

interface ShareProps {
  href: string;
  name: string;
  share: number;
  note: string;
  bad?: boolean;
}

function Share({ href, name, share, note, bad = false }: ShareProps) {
  return (
    <li>
      <a href={href} class={bad ? "share bad" : "share"}>
        <span class="share-name">{name}</span>
        <span class="share-note">
          {note} · {formatPercent(share)}
        </span>
        <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
          <rect class="track" width="100" height="4" />
          <rect class="fill" width={Math.min(share, 1) * 100} height="4" />
        </svg>
      </a>
    </li>
  );
}

/** `INSUFFICIENT_FUNDS` → `Insufficient funds`, `UPI_DECLINED` → `UPI declined`. */
export function reasonText(code: string): string {
  const words = code.toLowerCase().replaceAll("_", " ");
  return (words.charAt(0).toUpperCase() + words.slice(1)).replace("Upi", "UPI");
}
