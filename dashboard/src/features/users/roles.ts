/** The roles in words. Only domain/role.py decides what they may do. */
import type { Role } from "web-shared/wire";

export const ROLES: readonly (readonly [role: Role, text: string])[] = [
  ["owner", "Everything, including users and their roles."],
  ["developer", "Payments, webhooks, API keys and settings. No refunds, no users."],
  ["support", "Reads everything but keys and settings. Refunds up to the limit below."],
  ["finance", "Reads everything but keys and settings. Exports CSV files."],
];

export function isRole(text: string): text is Role {
  return ROLES.some(([role]) => role === text);
}
