/**
 * Who is signed in, as a reducer. The CSRF token lives only here, in memory; a reload fetches it from the server.
 *
 *   checking ──► signed_in ──► anonymous (left, or expired: the place is kept for after the login)
 *       └──────► anonymous / unreachable (no answer yet; asked again on demand)
 */

import type { Merchant, OwnUser } from "web-shared/wire";
import type { Failure } from "../api/failure.ts";

export type Session =
  | { state: "checking" }
  | { state: "unreachable"; failure: Failure }
  | { state: "anonymous"; expired: boolean }
  | { state: "signed_in"; merchant: Merchant; user: OwnUser; csrfToken: string | null; secrets: Secrets };

/** Secrets shown once, kept while this page lives so that they can be shown again: key → secret. */
export type Secrets = Readonly<Record<string, string>>;

export type SessionAction =
  | { type: "check_started" }
  | { type: "check_failed"; failure: Failure }
  | { type: "signed_in"; merchant: Merchant; user: OwnUser; csrfToken: string | null }
  | { type: "signed_out" }
  | { type: "refused" }
  | { type: "merchant_changed"; merchant: Merchant }
  | { type: "user_changed"; user: OwnUser }
  | { type: "secret_learned"; key: string; secret: string };

export const INITIAL_SESSION: Session = { state: "checking" };

export function reduceSession(session: Session, action: SessionAction): Session {
  switch (action.type) {
    case "check_started":
      return { state: "checking" };
    case "check_failed":
      return action.failure.status === 401
        ? { state: "anonymous", expired: false }
        : { state: "unreachable", failure: action.failure };
    case "signed_in":
      return {
        state: "signed_in",
        merchant: action.merchant,
        user: action.user,
        csrfToken: action.csrfToken,
        secrets: secretsOf(session),
      };
    case "signed_out":
      return { state: "anonymous", expired: false };
    case "refused":
      // Only a session that was there can have expired; a 401 beside the login form means nothing new.
      return session.state === "signed_in" ? { state: "anonymous", expired: true } : session;
    case "merchant_changed":
      return session.state === "signed_in" ? { ...session, merchant: action.merchant } : session;
    case "user_changed":
      return session.state === "signed_in" ? { ...session, user: action.user } : session;
    case "secret_learned":
      return session.state === "signed_in"
        ? { ...session, secrets: { ...session.secrets, [action.key]: action.secret } }
        : session;
  }
}

function secretsOf(session: Session): Secrets {
  return session.state === "signed_in" ? session.secrets : {};
}

/** May do nothing but set up a second factor: the API refuses everything else. */
export function isHeldBack(session: Session): boolean {
  return session.state === "signed_in" && session.merchant.second_factor_required && !session.user.second_factor;
}

/** The address to go to after the login: only a page of this dashboard, never another host or scheme. */
export function safeReturnPath(next: string | null): string {
  return next !== null && /^\/dashboard(?:[/?#][^\\]*)?$/.test(next) && !next.includes("//") ? next : "/dashboard";
}

/** The login's address that leads back to `path`. */
export function loginPath(path: string): string {
  return safeReturnPath(path) === "/dashboard" ? "/login" : `/login?next=${encodeURIComponent(path)}`;
}
