/** The state of business: figures of a period, their course, their breakdown, the latest payments. */
import { useMemo } from "preact/hooks";
import { formatCount, formatMoney, formatMoneyCompact } from "web-shared/format";
import type { AnalyticsSummary, Timeseries } from "web-shared/wire";
import { useResource } from "../../list/resource.ts";
import { useFollowing } from "../../live/following.ts";
import { useLive } from "../../live/live-context.tsx";
import { useRepeating } from "../../live/repeating.ts";
import { usePlace } from "../../router/place.ts";
import { useGateway } from "../../session/session-context.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { ErrorState } from "../../ui/states.tsx";
import { AuditLine } from "./audit-line.tsx";
import { BarChart, type Point } from "./bar-chart.tsx";
import { Breakdown } from "./breakdown.tsx";
import { Credentials } from "./credentials.tsx";
import { Owed } from "./owed.tsx";
import { boundsOf, PERIODS, type Period, periodOf, zone } from "./period.ts";
import { Recent } from "./recent.tsx";
import { type Bucket, bucketLabel, bucketName, bucketsOf } from "./series.ts";
import { Tiles } from "./tiles.tsx";

/** The API's rollups are a second or two behind the events, on a busy machine more. */
const FIRST_AGAIN_MS = 5_000;
const AGAIN_MS = 15_000;

interface Numbers {
  summary: AnalyticsSummary;
  buckets: Bucket[];
}

export function OverviewPage() {
  const { search } = usePlace();
  const period = periodOf(search);
  const requested = new URLSearchParams(search).get("currency");
  const numbers = useNumbers(period, requested);
  const { from } = useMemo(() => boundsOf(period, new Date()), [period]);
  return (
    <div class="stack-wide" data-test-id="dashboard">
      <PageHead title="Overview">
        <CurrencyChoice summary={numbers.value?.summary ?? null} period={period} />
        <PeriodChoice chosen={period} currency={requested} />
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
          <Course numbers={numbers.value} period={period} />
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
function useNumbers(period: Period, requested: string | null) {
  const { api } = useGateway();
  const numbers = useResource<Numbers>(`${period.name} ${requested}`, async (signal) => {
    const query = { ...boundsOf(period, new Date()), currency: requested ?? "main" };
    const [summary, series] = await Promise.all([
      api.get<AnalyticsSummary>("/analytics/summary", query, signal),
      api.get<Timeseries>("/analytics/timeseries", { ...query, bucket: period.bucket, tz: zone() }, signal),
    ]);
    return { summary, buckets: bucketsOf(series.data, new Date()) };
  });
  // The events that the first figures lack may have come before this page: then nothing live follows.
  useRepeating(numbers.reload, AGAIN_MS, { firstMs: FIRST_AGAIN_MS, paused: numbers.state.status === "loading" });
  const follow = useFollowing(numbers.reload);
  useLive("change", follow);
  useLive("gap", follow);
  return numbers;
}

/** Nothing where all payments are in one currency. */
function CurrencyChoice({ summary, period }: { summary: AnalyticsSummary | null; period: Period }) {
  const used = new Set(summary?.currencies.map(({ currency }) => currency));
  if (!summary || used.add(summary.currency).size < 2) return null;
  return (
    <nav class="segments" aria-label="Currency" data-test-id="currency-choice">
      {[...used].sort().map((currency) => (
        <a
          key={currency}
          href={`/dashboard?span=${period.name}&currency=${currency}`}
          aria-current={currency === summary.currency ? "true" : undefined}
        >
          {currency}
        </a>
      ))}
    </nav>
  );
}

function PeriodChoice({ chosen, currency }: { chosen: Period; currency: string | null }) {
  return (
    <nav class="segments" aria-label="Period">
      {PERIODS.map((period) => (
        <a
          key={period.name}
          href={`/dashboard?span=${period.name}${currency ? `&currency=${encodeURIComponent(currency)}` : ""}`}
          aria-current={period.name === chosen.name ? "true" : undefined}
        >
          {period.label}
        </a>
      ))}
    </nav>
  );
}

function Course({ numbers, period }: { numbers: Numbers | null; period: Period }) {
  if (!numbers) return <div class="card chart-wait" aria-busy="true" />;
  const { buckets } = numbers;
  const { currency } = numbers.summary;
  const each = period.bucket === "hour" ? "hour" : "day";
  const name = period.bucket === "hour" ? "Hour" : "Day";
  return (
    <div class="two">
      <BarChart
        title={`Volume by ${each}`}
        points={buckets.map((bucket) => pointOf(bucket, period, bucket.volumeMinor))}
        valueText={(minor) => formatMoney(minor, currency)}
        axisText={(minor) => formatMoneyCompact(minor, currency)}
        columns={[name, "Volume"]}
      />
      <BarChart
        title={`Payments by ${each}`}
        points={buckets.map((bucket) => ({ ...pointOf(bucket, period, bucket.total), part: bucket.failed }))}
        valueText={(count) => formatCount(count)}
        axisText={(count) => formatCount(count)}
        columns={[name, "Payments", "Failed"]}
      />
    </div>
  );
}

function pointOf(bucket: Bucket, period: Period, value: number): Point {
  return { label: bucketLabel(bucket.at, period.bucket), name: bucketName(bucket.at, period.bucket), value };
}
