/**
 * What can go wrong with a call, as one value. `code` is the API's, or one of ours if there was no response:
 * NETWORK (not reached), TIMEOUT (no answer in time), UNREADABLE (an answer that is not the API's).
 */

export interface Failure {
  code: string;
  /** HTTP status; 0 if there was no response. */
  status: number;
  description: string;
  field: string | null;
  request_id: string | null;
  retry_after_seconds: number | null;
}

export class CallFailed extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(`${failure.code}: ${failure.description}`);
    this.name = "CallFailed";
    this.failure = failure;
  }
}

const NO_RESPONSE = { status: 0, field: null, request_id: null, retry_after_seconds: null };

export function failureOfException(error: unknown): Failure {
  if (error instanceof CallFailed) return error.failure;
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return { ...NO_RESPONSE, code: "TIMEOUT", description: "The API did not respond in time." };
  }
  return { ...NO_RESPONSE, code: "NETWORK", description: "Cannot reach the API. Check your connection." };
}

/** The failure in an HTTP response, whatever its body is. */
export function failureOfResponse(status: number, body: unknown, headers: Headers): Failure {
  const problem = errorObject(body);
  const seconds = Number(headers.get("retry-after"));
  return {
    status,
    code: text(problem.code) ?? "UNREADABLE",
    description: text(problem.description) ?? `The API returned ${status} without a reason.`,
    field: text(problem.field),
    request_id: text(problem.request_id) ?? headers.get("x-request-id"),
    retry_after_seconds: Number.isFinite(seconds) && seconds > 0 ? seconds : null,
  };
}

/** True if the same call may succeed a moment later. */
export function isPassing(failure: Failure): boolean {
  return failure.status === 0 || failure.status === 429 || failure.status >= 500;
}

function errorObject(body: unknown): Record<string, unknown> {
  const error = isObject(body) ? body.error : undefined;
  return isObject(error) ? error : {};
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}
