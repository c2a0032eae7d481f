/** The pages, in the order a merchant needs them, and the way out. */

import type { Right } from "web-shared/wire";
import { permissionOf } from "../session/rights.ts";
import { useGateway, useUser } from "../session/session-context.tsx";
import { FormProblem } from "../ui/states.tsx";
import { useAction } from "../ui/use-action.ts";

type Link = readonly [path: string, text: string, right?: Right];

/** A right: only for those who have it. */
const PLACES: readonly Link[] = [
  ["/dashboard", "Overview"],
  ["/dashboard/orders", "Orders"],
  ["/dashboard/links", "Payment links"],
  ["/dashboard/transactions", "Payments"],
  ["/dashboard/refunds", "Refunds"],
  ["/dashboard/webhooks", "Webhooks"],
  ["/dashboard/events", "Events"],
  ["/dashboard/keys", "Keys", "keys"],
  ["/dashboard/docs", "Docs"],
];
const OWN_PLACES: readonly Link[] = [
  ["/dashboard/settings", "Settings"],
  ["/dashboard/users", "Users", "users"],
  ["/dashboard/account", "Account"],
  ["/dashboard/sessions", "Sessions"],
  ["/dashboard/audit-log", "Audit log", "settings"],
];

export function Navigation({ path }: { path: string }) {
  const { logout } = useGateway();
  const { role } = useUser();
  const shown = ([, , right]: Link) => right === undefined || permissionOf(role, right).may;
  const leaving = useAction(logout);
  return (
    <nav id="navigation" class="navigation" aria-label="Pages of the dashboard">
      <ul>
        {PLACES.filter(shown).map(([to, text]) => (
          <NavigationLink key={to} to={to} text={text} path={path} />
        ))}
      </ul>
      <ul class="own">
        {OWN_PLACES.filter(shown).map(([to, text]) => (
          <NavigationLink key={to} to={to} text={text} path={path} />
        ))}
        <li>
          <button type="button" class="nav-link" disabled={leaving.busy} onClick={() => leaving.run()}>
            Sign out
          </button>
          <FormProblem failure={leaving.failure} />
        </li>
      </ul>
    </nav>
  );
}

function NavigationLink({ to, text, path }: { to: string; text: string; path: string }) {
  return (
    <li>
      <a class="nav-link" href={to} aria-current={isWithin(to, path) ? "page" : undefined}>
        {text}
      </a>
    </li>
  );
}

/** A payment's own page belongs to the list of payments. */
export function isWithin(to: string, path: string): boolean {
  if (to === "/dashboard") return path === to;
  if (to === "/dashboard/transactions" && path.startsWith("/dashboard/payments/")) return true;
  return path === to || path.startsWith(`${to}/`);
}
