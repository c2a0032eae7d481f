/** A bulk retry from the question to its end, as a reducer. */
import type { WebhookJob } from "web-shared/wire";

export type Retry =
  | { step: "counting" }
  | { step: "counted"; matching: number }
  | { step: "running"; total: number; done: number }
  | { step: "ended"; total: number; done: number; failed: boolean };

export type RetryAction =
  | { type: "counted"; matching: number }
  | { type: "started"; total: number }
  | { type: "progressed"; job: WebhookJob };

export const COUNTING: Retry = { step: "counting" };

export function reduceRetry(state: Retry, action: RetryAction): Retry {
  switch (action.type) {
    case "counted":
      return { step: "counted", matching: action.matching };
    case "started":
      return { step: "running", total: action.total, done: 0 };
    case "progressed":
      return progressed(state, action.job);
  }
}

/** Responses may overtake one another: progress never decreases, and an end is final. */
function progressed(state: Retry, job: WebhookJob): Retry {
  if (state.step === "ended") return state;
  const before = state.step === "running" ? state.done : 0;
  const done = Math.max(before, job.done);
  if (job.state === "done" || job.state === "failed") {
    return { step: "ended", total: job.total, done, failed: job.state === "failed" };
  }
  return { step: "running", total: job.total, done };
}
