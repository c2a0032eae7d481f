/** An entry of the audit log as text for merchants. */
import type { AuditEntry } from "web-shared/wire";

export type Action = AuditEntry["action"];

export const ACTIONS: readonly (readonly [action: Action, text: string])[] = [
  ["refund.requested", "Refund requested"],
  ["capture.requested", "Capture requested"],
  ["void.requested", "Void requested"],
  ["cancel.requested", "Cancellation requested"],
  ["key.created", "Key created"],
  ["key.rotated", "Key rotated"],
  ["key.revoked", "Key revoked"],
  ["webhook_endpoint.created", "Endpoint created"],
  ["webhook_endpoint.changed", "Endpoint changed"],
  ["webhook_endpoint.secret_rotated", "Endpoint secret rotated"],
  ["webhook_endpoint.deleted", "Endpoint deleted"],
  ["deliveries.retried", "Deliveries retried"],
  ["events.replayed", "Events replayed"],
  ["merchant.created", "Signed up"],
  ["merchant.changed", "Settings changed"],
  ["return_secret.rotated", "Return secret rotated"],
  ["access.changed", "Access settings changed"],
  ["user.invited", "User invited"],
  ["invitation.revoked", "Invitation revoked"],
  ["user.joined", "User joined"],
  ["user.role_changed", "Role changed"],
  ["user.removed", "User removed"],
  ["password.changed", "Password changed"],
  ["password.reset", "Password reset by a link"],
  ["second_factor.enabled", "Second factor enabled"],
  ["second_factor.removed", "Second factor removed"],
  ["second_factor.refused", "Wrong code after the right password"],
  ["recovery_code.used", "Recovery code used"],
  ["recovery_codes.renewed", "Recovery codes renewed"],
  ["session.started", "Signed in"],
  ["session.ended", "Session ended"],
];
const TEXTS: ReadonlyMap<string, string> = new Map(ACTIONS);

export function actionText(action: string): string {
  return TEXTS.get(action) ?? action;
}

/** One line for each value: "name: before → after", or what was requested. */
export function changesOf(entry: Pick<AuditEntry, "before" | "after">): readonly string[] {
  const before = entry.before ?? {};
  const after = entry.after ?? {};
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names.map((name) => {
    if (!(name in before)) return `${name}: ${valueText(after[name])}`;
    if (!(name in after)) return `${name}: ${valueText(before[name])} before`;
    return `${name}: ${valueText(before[name])} → ${valueText(after[name])}`;
  });
}

function valueText(value: unknown): string {
  if (value === null || value === undefined || value === "") return "–";
  return typeof value === "string" ? value : JSON.stringify(value);
}
