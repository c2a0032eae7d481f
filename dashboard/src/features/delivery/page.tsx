/** One delivery: the body as it was sent, and each attempt with its request and response. */
import type { DeliveryAttempt, DeliveryDetail } from "web-shared/wire";
import { useResource } from "../../list/resource.ts";
import { useRepeating } from "../../live/repeating.ts";
import type { Parameters } from "../../router/match.ts";
import { useGateway } from "../../session/session-context.tsx";
import { CodeBlock, jsonText } from "../../ui/code-block.tsx";
import { CopyableId } from "../../ui/copy.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { Pill } from "../../ui/pill.tsx";
import { EmptyState, ErrorState, Skeleton } from "../../ui/states.tsx";
import { Moment, Near } from "../../ui/time.tsx";
import { toneOfResponse } from "../../ui/tone.ts";
import { RetryOne } from "../webhooks/delivery-list.tsx";

const LOOK_AGAIN_MS = 2_000;

export function DeliveryPage({ parameters }: { parameters: Parameters }) {
  const id = parameters.id ?? "";
  const { api } = useGateway();
  const delivery = useResource(id, (signal) => api.get<DeliveryDetail>(`/webhooks/${id}`, {}, signal));
  const value = delivery.value;
  const waiting = value?.status === "pending" || value?.status === "held";
  const { reload } = delivery;
  useRepeating(reload, LOOK_AGAIN_MS, { paused: !waiting });
  return (
    <div class="stack-wide">
      <PageHead
        title={value?.event ?? "Delivery"}
        documentTitle={`Delivery ${id}`}
        back={["/dashboard/webhooks", "Webhooks"]}
        badge={value && <Pill status={value.status} testId="webhook-status" />}
        lead={<CopyableId id={id} label="delivery id" />}
      >
        {value && <RetryOne id={id} event={value.event} onRetried={reload} />}
      </PageHead>
      {delivery.state.status === "loading" && (
        <div class="card pad">
          <Skeleton lines={6} />
        </div>
      )}
      {delivery.state.status === "error" && (
        <div class="card">
          <ErrorState title="The delivery could not be loaded" failure={delivery.state.failure} onRetry={reload} />
        </div>
      )}
      {value && <Detail delivery={value} />}
    </div>
  );
}

function Detail({ delivery }: { delivery: DeliveryDetail }) {
  return (
    <div class="two">
      <section class="card pad stack">
        <h2>Attempts</h2>
        {delivery.attempts_log.length === 0 && <EmptyState title="No attempts yet" />}
        <ol class="attempts" data-test-id="webhook-attempt-list">
          {[...delivery.attempts_log].reverse().map((attempt) => (
            <Attempt key={attempt.attempt} attempt={attempt} />
          ))}
        </ol>
      </section>
      <div class="stack">
        <section class="card pad stack">
          <h2>Details</h2>
          <dl class="facts">
            {delivery.payment_id && (
              <div>
                <dt>Payment</dt>
                <dd>
                  <a class="mono" href={`/dashboard/payments/${delivery.payment_id}`}>
                    {delivery.payment_id}
                  </a>
                </dd>
              </div>
            )}
            <div>
              <dt>Endpoint</dt>
              <dd>
                <a class="mono" href={`/dashboard/webhooks?endpoint_id=${delivery.endpoint_id}`}>
                  {delivery.endpoint_id}
                </a>
              </dd>
            </div>
            <div>
              <dt>Event</dt>
              <dd>
                <code>{delivery.event_id}</code>
              </dd>
            </div>
            <div>
              <dt>Created</dt>
              <dd>
                <Moment at={delivery.created_at} />
              </dd>
            </div>
            <div>
              <dt>Next attempt</dt>
              <dd>{delivery.status === "pending" ? <Near at={delivery.next_retry_at} /> : "none"}</dd>
            </div>
          </dl>
        </section>
        <section class="card pad stack">
          <h2>Body</h2>
          <CodeBlock text={jsonText(delivery.body)} label="Body of the webhook" />
        </section>
      </div>
    </div>
  );
}

function Attempt({ attempt }: { attempt: DeliveryAttempt }) {
  const tone = attempt.response_code === null ? "bad" : toneOfResponse(attempt.response_code);
  return (
    <li data-test-id="webhook-attempt">
      <details open={attempt.attempt === 1}>
        <summary>
          <span class={`answer ${tone}`}>{attempt.response_code ?? "no response"}</span> attempt {attempt.attempt}
          <span class="small muted">
            {" "}
            <Moment at={attempt.at} />
            {attempt.duration_ms !== null && ` · ${attempt.duration_ms} ms`}
          </span>
        </summary>
        <div class="stack attempt-body">
          {attempt.error && <p class="form-problem">{attempt.error}</p>}
          <h3>Request headers</h3>
          <CodeBlock text={headerText(attempt.request_headers)} label="Request headers" />
          {headerText(attempt.response_headers) && (
            <>
              <h3>Response headers</h3>
              <CodeBlock text={headerText(attempt.response_headers)} label="Response headers" />
            </>
          )}
          <h3>Response</h3>
          {attempt.response_body ? (
            <CodeBlock text={attempt.response_body} label="Response body" />
          ) : (
            <p class="small muted">No body.</p>
          )}
          {attempt.next_retry_at && (
            <p class="small muted">
              Next attempt <Moment at={attempt.next_retry_at} />
            </p>
          )}
        </div>
      </details>
    </li>
  );
}

function headerText(headers: Record<string, string> | null): string {
  return Object.entries(headers ?? {})
    .map(([name, text]) => `${name}: ${text}`)
    .join("\n");
}
