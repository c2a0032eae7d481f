/** A bulk retry: counted, started, followed to its end. */
import { expect, it } from "vitest";
import type { WebhookJob } from "web-shared/wire";
import { scopeText } from "./retry-all.tsx";
import { COUNTING, type Retry, reduceRetry } from "./retry-progress.ts";

const job = (state: WebhookJob["state"], done: number): WebhookJob => ({
  id: "job",
  kind: "retry",
  state,
  total: 10,
  done,
});
const follow = (from: Retry, ...jobs: ReturnType<typeof job>[]) =>
  jobs.reduce<Retry>((state, each) => reduceRetry(state, { type: "progressed", job: each }), from);

it("goes from the count to its end", () => {
  const counted = reduceRetry(COUNTING, { type: "counted", matching: 10 });
  expect(counted).toEqual({ step: "counted", matching: 10 });
  const started = reduceRetry(counted, { type: "started", total: 10 });
  expect(follow(started, job("running", 4), job("done", 10))).toEqual({
    step: "ended",
    total: 10,
    done: 10,
    failed: false,
  });
});

it("never goes back when answers overtake one another", () => {
  const started: Retry = { step: "running", total: 10, done: 0 };
  expect(follow(started, job("running", 7), job("running", 4))).toMatchObject({ done: 7 });
  expect(follow(started, job("done", 10), job("running", 7))).toMatchObject({ step: "ended", done: 10 });
});

it("says where it stopped", () => {
  expect(follow({ step: "running", total: 10, done: 0 }, job("failed", 3))).toMatchObject({ failed: true, done: 3 });
});

it("names what would be retried", () => {
  const none = { status: null, event: null, endpointId: null, paymentId: null };
  expect(scopeText(none)).toBe("All failed deliveries.");
  expect(scopeText({ ...none, status: "success", event: "payment.success" })).toBe(
    "All successful deliveries of payment.success.",
  );
});
