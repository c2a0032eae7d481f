/** The pages, in the order a merchant needs them, and the way out. */

import { useGateway } from "../session/session-context.tsx";
import { FormProblem } from "../ui/states.tsx";
import { useAction } from "../ui/use-action.ts";

const PLACES: readonly (readonly [path: string, text: string])[] = [
  ["/dashboard", "Overview"],
  ["/dashboard/orders", "Orders"],
  ["/dashboard/links", "Payment links"],
  ["/dashboard/transactions", "Payments"],
  ["/dashboard/refunds", "Refunds"],
  ["/dashboard/webhooks", "Webhooks"],
  ["/dashboard/events", "Events"],
  ["/dashboard/keys", "Keys"],
  ["/dashboard/docs", "Docs"],
];
const OWN_PLACES: readonly (readonly [path: string, text: string])[] = [
  ["/dashboard/settings", "Settings"],
  ["/dashboard/sessions", "Sessions"],
];

export function Navigation({ path }: { path: string }) {
  const { logout } = useGateway();
  const leaving = useAction(logout);
  return (
    <nav id="navigation" class="navigation" aria-label="Pages of the dashboard">
      <ul>
        {PLACES.map(([to, text]) => (
          <NavigationLink key={to} to={to} text={text} path={path} />
        ))}
      </ul>
      <ul class="own">
        {OWN_PLACES.map(([to, text]) => (
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
