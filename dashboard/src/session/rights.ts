/** What the signed-in user may do, and the message for what they may not. The API decides; this only shows it. */
import { ROLES_WITH } from "web-shared/roles";
import type { Right, Role } from "web-shared/wire";

export interface Permission {
  may: boolean;
  /** Empty where they may. */
  why: string;
}

export function permissionOf(role: Role, right: Right): Permission {
  const holders: readonly Role[] = ROLES_WITH[right];
  return holders.includes(role)
    ? { may: true, why: "" }
    : { may: false, why: `Your role (${role}) does not allow this. It needs the role ${joined(holders)}.` };
}

/** `owner`, `owner or developer`, `owner, developer or finance`. */
function joined(roles: readonly Role[]): string {
  const last = roles[roles.length - 1] ?? "";
  return roles.length < 2 ? last : `${roles.slice(0, -1).join(", ")} or ${last}`;
}
