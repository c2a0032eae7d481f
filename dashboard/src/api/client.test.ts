/** Every call carries what it must, and every way to fail arrives as one kind of failure. */
import { describe, expect, it, vi } from "vitest";
import { createApi, newIdempotencyKey, queryText } from "./client.ts";
import { CallFailed, isPassing } from "./failure.ts";

function apiResponding(respond: () => Response | Promise<Response>) {
  const fetched = vi.fn(async (_url: string, _init: RequestInit) => respond());
  const onUnauthorized = vi.fn();
  const api = createApi({
    baseUrl: "http://localhost:8000",
    csrfToken: () => "token",
    onUnauthorized,
    fetch: fetched as unknown as typeof fetch,
  });
  return { api, fetched, onUnauthorized };
}

const json = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify(body), { status, headers });

async function failureOf(call: Promise<unknown>) {
  const error = await call.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof CallFailed)) throw new Error("no CallFailed");
  return error.failure;
}

describe("a change", () => {
  it("carries the cookie, the CSRF token and its idempotency key", async () => {
    const { api, fetched } = apiResponding(() => json(201, { id: "rfnd_1" }));
    await api.send("POST", "/refunds", { amount: 5 }, { idempotencyKey: "one" });
    const [url, init] = fetched.mock.calls[0] ?? [];
    expect(url).toBe("http://localhost:8000/api/v1/refunds");
    expect(init).toMatchObject({
      credentials: "include",
      method: "POST",
      headers: { "X-CSRF-Token": "token", "Idempotency-Key": "one", "Content-Type": "application/json" },
    });
  });

  it("has a key that no other has", () => {
    expect(new Set(Array.from({ length: 100 }, newIdempotencyKey)).size).toBe(100);
  });
});

describe("a failure", () => {
  it("is the API's own where it gives one", async () => {
    const error = { code: "RATE_LIMITED", description: "Too many", field: null, request_id: "req_1" };
    const { api } = apiResponding(() => json(429, { error }, { "Retry-After": "7" }));
    expect(await failureOf(api.get("/payments"))).toEqual({ ...error, status: 429, retry_after_seconds: 7 });
  });

  it("is readable also where the answer is not", async () => {
    const { api } = apiResponding(() => new Response("<html>bad gateway", { status: 502 }));
    const failure = await failureOf(api.get("/payments"));
    expect(failure).toMatchObject({ code: "UNREADABLE", status: 502 });
    expect(isPassing(failure)).toBe(true);
  });

  it("is NETWORK where nobody answers", async () => {
    const { api } = apiResponding(() => Promise.reject(new TypeError("failed to fetch")));
    expect(await failureOf(api.get("/payments"))).toMatchObject({ code: "NETWORK", status: 0 });
  });

  it("of the session is told once, but not by the login itself", async () => {
    const { api, onUnauthorized } = apiResponding(() => json(401, {}));
    await failureOf(api.get("/payments"));
    await failureOf(api.send("POST", "/auth/login", {}));
    expect(onUnauthorized).toHaveBeenCalledTimes(1);
  });
});

it("leaves empty values out of a query", () => {
  expect(queryText({ a: 1, b: null, c: undefined, d: "", e: false })).toBe("?a=1&e=false");
  expect(queryText({})).toBe("");
});
