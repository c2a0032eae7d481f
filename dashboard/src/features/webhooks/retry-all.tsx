/** Retry all deliveries of a filter: first the count, then the start, then the progress. */
import { useEffect, useReducer, useState } from "preact/hooks";
import { formatCount } from "web-shared/format";
import type { Matching, WebhookJob } from "web-shared/wire";
import { Guarded } from "../../session/guarded.tsx";
import { useGateway } from "../../session/session-context.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { FormProblem } from "../../ui/states.tsx";
import { useAction } from "../../ui/use-action.ts";
import { type DeliveryFilters, deliveryQuery } from "./delivery-filters.ts";
import { COUNTING, type Retry, reduceRetry } from "./retry-progress.ts";

const POLL_EVERY_MS = 400;

export function RetryAll({ filters, onStarted }: { filters: DeliveryFilters; onStarted: () => void }) {
  const [open, setOpen] = useState(false);
  if (filters.status === "pending" || filters.status === "held") return null;
  return (
    <>
      <Guarded right="webhooks" inRow>
        <button type="button" class="button quiet" data-test-id="retry-all-button" onClick={() => setOpen(true)}>
          Retry all…
        </button>
      </Guarded>
      {open && <RetryDialog filters={filters} onStarted={onStarted} onClose={() => setOpen(false)} />}
    </>
  );
}

interface RetryDialogProps {
  filters: DeliveryFilters;
  onStarted: () => void;
  onClose: () => void;
}

function RetryDialog({ filters, onStarted, onClose }: RetryDialogProps) {
  const { api } = useGateway();
  const [state, dispatch] = useReducer(reduceRetry, COUNTING);
  const [jobId, setJobId] = useState<string | null>(null);
  const filter = Object.fromEntries(Object.entries(deliveryQuery(filters)).filter(([, value]) => value !== null));
  const counting = useAction(async () => {
    const counted = await api.send<Matching>("POST", "/webhooks/retry", { filter, dry_run: true });
    dispatch({ type: "counted", matching: counted.matching });
  });
  const starting = useAction(async () => {
    const counted = await api.send<Matching>("POST", "/webhooks/retry", { filter, dry_run: false });
    dispatch({ type: "started", total: counted.matching });
    setJobId(counted.job_id ?? null);
    onStarted();
  });
  useEffect(() => void counting.run(), [counting.run]);
  useJob(jobId, state, (job) => dispatch({ type: "progressed", job }));
  const ended = state.step === "ended";
  useEffect(() => {
    if (ended) onStarted();
    // Once, when it has ended.
  }, [ended]);
  return (
    <Dialog title="Retry all" onClose={onClose} locked={starting.busy}>
      <div class="dialog-body">
        <p>{scopeText(filters)}</p>
        <p role="status" data-test-id="retry-all-state">
          {progressText(state)}
        </p>
        {(state.step === "running" || ended) && (
          <progress class="progress" max={Math.max(state.total, 1)} value={state.done} aria-label="Retried" />
        )}
        <FormProblem failure={counting.failure ?? starting.failure} />
      </div>
      <footer class="dialog-foot">
        <button type="button" class="button quiet" onClick={onClose} disabled={starting.busy}>
          {ended ? "Close" : "Cancel"}
        </button>
        {state.step === "counted" && state.matching > 0 && (
          <button
            type="button"
            class="button"
            data-test-id="confirm-retry-all-button"
            disabled={starting.busy}
            onClick={() => starting.run()}
          >
            Retry {formatCount(state.matching)}
          </button>
        )}
      </footer>
    </Dialog>
  );
}

function useJob(jobId: string | null, state: Retry, onJob: (job: WebhookJob) => void): void {
  const { api } = useGateway();
  const running = jobId !== null && state.step === "running";
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => {
      // The next tick retries after a lost response.
      api.get<WebhookJob>(`/webhook-jobs/${jobId}`).then(onJob, () => undefined);
    }, POLL_EVERY_MS);
    return () => clearInterval(timer);
    // `onJob` only dispatches.
  }, [api, jobId, running]);
}

/** Only ended deliveries can be retried; by default those that failed. */
export function scopeText(filters: DeliveryFilters): string {
  const words: string[] = [];
  if (filters.event) words.push(`of ${filters.event}`);
  if (filters.endpointId) words.push(`to ${filters.endpointId}`);
  if (filters.paymentId) words.push(`about ${filters.paymentId}`);
  const which = filters.status === "success" ? "All successful deliveries" : "All failed deliveries";
  return words.length === 0 ? `${which}.` : `${which} ${words.join(", ")}.`;
}

function progressText(state: Retry): string {
  switch (state.step) {
    case "counting":
      return "Counting…";
    case "counted":
      return state.matching === 0 ? "No delivery matches." : `${formatCount(state.matching)} will be retried.`;
    case "running":
      return `${formatCount(state.done)} of ${formatCount(state.total)} retried…`;
    case "ended":
      return state.failed
        ? `Stopped after ${formatCount(state.done)} of ${formatCount(state.total)}.`
        : `Done: ${formatCount(state.done)} retried.`;
  }
}
