/** Who is signed in, and that a login never redirects off the dashboard. */
import { describe, expect, it } from "vitest";
import type { Merchant, OwnUser } from "web-shared/wire";
import { INITIAL_SESSION, isHeldBack, loginPath, reduceSession, type Session, safeReturnPath } from "./session.ts";

const MERCHANT: Merchant = {
  id: "mrc_1",
  name: "Shop",
  email: "shop@example.com",
  allowed_origins: [],
  browser_orders: { enabled: false, maximum_minor: null },
  capture: "manual",
  capture_within_minutes: null,
  upi_payee: null,
  support_refunds: null,
  second_factor_required: false,
  created_at: "2026-11-25T10:00:00.000000Z",
};
const USER: OwnUser = {
  id: "user_1",
  email: "shop@example.com",
  role: "owner",
  rights: ["read"],
  created_at: "2026-11-25T10:00:00.000000Z",
  last_login_at: null,
  second_factor: false,
};
const SIGNED_IN: Session = { state: "signed_in", merchant: MERCHANT, user: USER, csrfToken: "token", secrets: {} };
const FAILURE = { code: "X", description: "", field: null, request_id: null, retry_after_seconds: null };

describe("a merchant that requires a second factor", () => {
  const required = reduceSession(SIGNED_IN, {
    type: "merchant_changed",
    merchant: { ...MERCHANT, second_factor_required: true },
  });

  it("holds users back who have none", () => {
    expect(isHeldBack(required)).toBe(true);
    expect(isHeldBack(SIGNED_IN)).toBe(false);
  });

  it("lets them in once it is set up", () => {
    const user = { ...USER, second_factor: true };
    expect(isHeldBack(reduceSession(required, { type: "user_changed", user }))).toBe(false);
  });
});

describe("the check at the start", () => {
  it("finds nobody on a 401", () => {
    const session = reduceSession(INITIAL_SESSION, { type: "check_failed", failure: { ...FAILURE, status: 401 } });
    expect(session).toEqual({ state: "anonymous", expired: false });
  });

  it("does not take a silent server for a missing session", () => {
    const session = reduceSession(INITIAL_SESSION, { type: "check_failed", failure: { ...FAILURE, status: 0 } });
    expect(session.state).toBe("unreachable");
  });
});

it("an end that was not asked for is told as one", () => {
  expect(reduceSession(SIGNED_IN, { type: "refused" })).toEqual({ state: "anonymous", expired: true });
  expect(reduceSession({ state: "anonymous", expired: false }, { type: "refused" })).toEqual({
    state: "anonymous",
    expired: false,
  });
});

it("a secret learned is gone with the session", () => {
  const learned = reduceSession(SIGNED_IN, { type: "secret_learned", key: "k", secret: "s" });
  expect(learned.state === "signed_in" && learned.secrets).toEqual({ k: "s" });
  const back = reduceSession(reduceSession(learned, { type: "signed_out" }), {
    type: "signed_in",
    merchant: MERCHANT,
    user: USER,
    csrfToken: "other",
  });
  expect(back.state === "signed_in" && back.secrets).toEqual({});
});

it.each([
  "https://elsewhere.example",
  "//elsewhere.example",
  "/dashboard//elsewhere.example",
  "/dashboard\\elsewhere.example",
  "/dashboardx",
  "javascript:alert(1)",
  "/login",
  null,
])("never leads to %s after the login", (next) => {
  expect(safeReturnPath(next)).toBe("/dashboard");
});

it("leads back to where one was", () => {
  expect(loginPath("/dashboard/keys?x=1")).toBe("/login?next=%2Fdashboard%2Fkeys%3Fx%3D1");
  expect(safeReturnPath("/dashboard/keys?x=1")).toBe("/dashboard/keys?x=1");
  expect(loginPath("/dashboard")).toBe("/login");
});
