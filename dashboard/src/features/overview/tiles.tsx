/** The figures of the period. Each leads to the list behind it. */
import type { ComponentChildren } from "preact";
import { formatCount, formatDuration, formatMoney, formatMoneyFitting, formatPercent } from "web-shared/format";
import type { AnalyticsSummary, PeriodNumbers } from "web-shared/wire";
import { type Movement, pointsMovement, relativeMovement } from "./movement.ts";

interface TileProps {
  label: string;
  value: string;
  /** The value in full, where `value` may be shortened. */
  whole?: string;
  testId?: string;
  href: string;
  movement?: Movement | null;
  note?: ComponentChildren;
}

function Tile({ label, value, whole, testId, href, movement, note }: TileProps) {
  return (
    <a class="card tile" href={href}>
      <span class="tile-label">{label}</span>
      <span class="tile-value" data-test-id={testId} title={whole === value ? undefined : whole}>
        {value}
      </span>
      <span class="tile-note">
        {movement && <span class={`movement ${movement.tone}`}>{movement.text}</span>}
        {note}
      </span>
    </a>
  );
}

export function Tiles({ summary, from }: { summary: AnalyticsSummary | null; from: string }) {
  if (!summary) return <TilesWaiting />;
  const { previous, webhooks } = summary;
  const rate = rateOf(summary);
  const list = (more = "") =>
    `/dashboard/transactions?from=${encodeURIComponent(from)}&currency=${summary.currency}${more}`;
  return (
    <div class="tiles" data-test-id="stats-container">
      <Tile
        label="Volume"
        value={formatMoneyFitting(summary.volume_minor, summary.currency)}
        whole={formatMoney(summary.volume_minor, summary.currency)}
        testId="total-amount"
        href={list("&status=success")}
        movement={relativeMovement(summary.volume_minor, previous?.volume_minor)}
        note={
          summary.refunded_minor > 0
            ? `${formatMoneyFitting(summary.refunded_minor, summary.currency)} refunded`
            : "successful payments"
        }
      />
      <Tile
        label="Payments"
        value={formatCount(summary.payments_total)}
        testId="total-transactions"
        href={list()}
        movement={relativeMovement(summary.payments_total, previous?.payments_total)}
        note={`${formatCount(summary.payments_success)} successful`}
      />
      <Tile
        label="Success rate"
        value={rate === null ? "–" : formatPercent(rate)}
        testId="success-rate"
        href={list("&status=failed")}
        movement={pointsMovement(rate, previous && rateOf(previous))}
        note={`${formatCount(summary.payments_failed)} failed`}
      />
      <Tile
        label="Webhooks waiting"
        value={formatCount(webhooks.waiting)}
        testId="webhooks-waiting"
        href="/dashboard/webhooks?status=pending"
        note={waitingNote(webhooks)}
      />
    </div>
  );
}

/** No rate if nothing is decided; the API returns 0 then. */
function rateOf(numbers: PeriodNumbers): number | null {
  return numbers.payments_success + numbers.payments_failed === 0 ? null : numbers.success_rate;
}

function waitingNote({ oldest_waiting_seconds: seconds, failed, delivered }: AnalyticsSummary["webhooks"]): string {
  if (seconds !== null) return `oldest ${formatDuration(seconds * 1_000)}`;
  return failed > 0 ? `${formatCount(failed)} given up` : `${formatCount(delivered)} delivered`;
}

function TilesWaiting() {
  return (
    <div class="tiles" data-test-id="stats-container" aria-busy="true">
      {["Volume", "Payments", "Success rate", "Webhooks waiting"].map((label) => (
        <div key={label} class="card tile">
          <span class="tile-label">{label}</span>
          <span class="tile-value">
            <span class="skeleton" />
          </span>
          <span class="tile-note">&nbsp;</span>
        </div>
      ))}
    </div>
  );
}
