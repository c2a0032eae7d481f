/**
 * The only access to the API: with cookies, the CSRF token on every change, a timeout on every call,
 * and each failure as a `CallFailed`. A 401 is reported to the session, which leads back to the login.
 */
import { CallFailed, failureOfException, failureOfResponse } from "./failure.ts";

const CALL_TIMEOUT_MS = 20_000;

export type Query = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface SendOptions {
  /** Makes repeats of one intent a single effect. */
  idempotencyKey?: string;
  signal?: AbortSignal;
}

export interface Api {
  get<Body>(path: string, query?: Query, signal?: AbortSignal): Promise<Body>;
  send<Body>(
    method: "POST" | "PUT" | "PATCH" | "DELETE",
    path: string,
    body?: unknown,
    options?: SendOptions,
  ): Promise<Body>;
  /** Absolute address for links and streams. */
  url(path: string, query?: Query): string;
}

export interface ApiOptions {
  baseUrl: string;
  csrfToken: () => string | null;
  onUnauthorized: () => void;
  fetch?: typeof fetch;
}

export function createApi(options: ApiOptions): Api {
  const call = async <Body>(url: string, init: RequestInit): Promise<Body> => {
    const response = await request(options.fetch ?? fetch, url, init);
    if (response.status === 401 && !url.includes("/auth/")) options.onUnauthorized();
    return readResponse<Body>(response);
  };
  const url = (path: string, query: Query = {}) => `${options.baseUrl}/api/v1${path}${queryText(query)}`;
  return {
    url,
    get: (path, query, signal) => call(url(path, query), { signal }),
    send: (method, path, body, { idempotencyKey, signal } = {}) =>
      call(url(path), {
        method,
        signal,
        headers: sendHeaders(options.csrfToken(), body !== undefined, idempotencyKey),
        body: body === undefined ? undefined : JSON.stringify(body),
      }),
  };
}

/** `{a: 1, b: null}` → `?a=1`; empty values are omitted. */
export function queryText(query: Query): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}

/** 128 random bits; `randomUUID` is missing where a page is served without TLS from another host than localhost. */
export function newIdempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `dash_${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

function sendHeaders(csrfToken: string | null, hasBody: boolean, idempotencyKey?: string): Record<string, string> {
  const headers: Record<string, string> = {};
  if (hasBody) headers["Content-Type"] = "application/json";
  if (csrfToken) headers["X-CSRF-Token"] = csrfToken;
  if (idempotencyKey) headers["Idempotency-Key"] = idempotencyKey;
  return headers;
}

async function request(fetchFunction: typeof fetch, url: string, init: RequestInit): Promise<Response> {
  const timeout = AbortSignal.timeout(CALL_TIMEOUT_MS);
  const signal = init.signal ? AbortSignal.any([init.signal, timeout]) : timeout;
  try {
    return await fetchFunction(url, { credentials: "include", cache: "no-store", ...init, signal });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new CallFailed(failureOfException(error));
  }
}

async function readResponse<Body>(response: Response): Promise<Body> {
  const body = await readJson(response);
  if (!response.ok) throw new CallFailed(failureOfResponse(response.status, body, response.headers));
  return body as Body;
}

async function readJson(response: Response): Promise<unknown> {
  const text = await response.text();
  if (text === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
