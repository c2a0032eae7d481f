/** How business goes: figures of a span of time, their course, what they are made of, the latest payments. */
import { useMemo } from "preact/hooks";
import { formatCount, formatMoney, formatMoneyCompact } from "web-shared/format";
import type { AnalyticsSummary, Timeseries } from "web-shared/wire";
import { useResource } from "../../list/resource.ts";
import { useFollowing } from "../../live/following.ts";
import { useLive } from "../../live/live-context.tsx";
import { usePlace } from "../../router/place.ts";
import { useGateway } from "../../session/session-context.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { ErrorState } from "../../ui/states.tsx";
import { AuditLine } from "./audit-line.tsx";
import { BarChart, type Point } from "./bar-chart.tsx";
import { Breakdown } from "./breakdown.tsx";
import { Credentials } from "./credentials.tsx";
import { Owed } from "./owed.tsx";
import { Recent } from "./recent.tsx";
import { type Bucket, bucketLabel, bucketName, bucketsOf } from "./series.ts";
import { boundsOf, SPANS, type Span, spanOf, zone } from "./span.ts";
import { Tiles } from "./tiles.tsx";

interface Numbers {
  summary: AnalyticsSummary;
  buckets: Bucket[];
}

export function OverviewPage() {
  const { search } = usePlace();
  const span = spanOf(search);
  const asked = new URLSearchParams(search).get("currency");
  const numbers = useNumbers(span, asked);
  const { from } = useMemo(() => boundsOf(span, new Date()), [span]);
  return (
    <div class="stack-wide" data-test-id="dashboard">
      <PageHead title="Overview">
        <CurrencyChoice summary={numbers.value?.summary ?? null} span={span} />
        <SpanChoice chosen={span} currency={asked} />
      </PageHead>
      {numbers.state.status === "error" ? (
        <div class="card">
          <ErrorState
            title="The figures could not be loaded"
            failure={numbers.state.failure}
            onRetry={numbers.reload}
          />
        </div>
      ) : (
        <>
          <Tiles summary={numbers.value?.summary ?? null} from={from} />
          {numbers.value && <Owed owed={numbers.value.summary.owed} currency={numbers.value.summary.currency} />}
          <Course numbers={numbers.value} span={span} />
          {numbers.value && <Breakdown summary={numbers.value.summary} from={from} />}
        </>
      )}
      <AuditLine />
      <Recent />
      <Credentials />
    </div>
  );
}

/** `asked`: the currency in the address. Without one, the API chooses: rupees, or what most payments are in. */
function useNumbers(span: Span, asked: string | null) {
  const { api } = useGateway();
  const numbers = useResource<Numbers>(`${span.name} ${asked}`, async (signal) => {
    const query = { ...boundsOf(span, new Date()), currency: asked ?? "main" };
    const [summary, series] = await Promise.all([
      api.get<AnalyticsSummary>("/analytics/summary", query, signal),
      api.get<Timeseries>("/analytics/timeseries", { ...query, bucket: span.bucket, tz: zone() }, signal),
    ]);
    return { summary, buckets: bucketsOf(series.data, new Date()) };
  });
  // The API's rollups are a second or two behind the events.
  const follow = useFollowing(numbers.reload);
  useLive("change", follow);
  useLive("gap", follow);
  return numbers;
}

/** Nothing where all payments are in one currency. */
function CurrencyChoice({ summary, span }: { summary: AnalyticsSummary | null; span: Span }) {
  const used = new Set(summary?.currencies.map(({ currency }) => currency));
  if (!summary || used.add(summary.currency).size < 2) return null;
  return (
    <nav class="segments" aria-label="Currency" data-test-id="currency-choice">
      {[...used].sort().map((currency) => (
        <a
          key={currency}
          href={`/dashboard?span=${span.name}&currency=${currency}`}
          aria-current={currency === summary.currency ? "true" : undefined}
        >
          {currency}
        </a>
      ))}
    </nav>
  );
}

function SpanChoice({ chosen, currency }: { chosen: Span; currency: string | null }) {
  return (
    <nav class="segments" aria-label="Period">
      {SPANS.map((span) => (
        <a
          key={span.name}
          href={`/dashboard?span=${span.name}${currency ? `&currency=${encodeURIComponent(currency)}` : ""}`}
          aria-current={span.name === chosen.name ? "true" : undefined}
        >
          {span.label}
        </a>
      ))}
    </nav>
  );
}

function Course({ numbers, span }: { numbers: Numbers | null; span: Span }) {
  if (!numbers) return <div class="card chart-wait" aria-busy="true" />;
  const { buckets } = numbers;
  const { currency } = numbers.summary;
  const each = span.bucket === "hour" ? "hour" : "day";
  const name = span.bucket === "hour" ? "Hour" : "Day";
  return (
    <div class="two">
      <BarChart
        title={`Volume by ${each}`}
        points={buckets.map((bucket) => pointOf(bucket, span, bucket.volumeMinor))}
        valueText={(minor) => formatMoney(minor, currency)}
        axisText={(minor) => formatMoneyCompact(minor, currency)}
        columns={[name, "Volume"]}
      />
      <BarChart
        title={`Payments by ${each}`}
        points={buckets.map((bucket) => ({ ...pointOf(bucket, span, bucket.total), part: bucket.failed }))}
        valueText={(count) => formatCount(count)}
        axisText={(count) => formatCount(count)}
        columns={[name, "Payments", "Failed"]}
      />
    </div>
  );
}

function pointOf(bucket: Bucket, span: Span, value: number): Point {
  return { label: bucketLabel(bucket.at, span.bucket), name: bucketName(bucket.at, span.bucket), value };
}
