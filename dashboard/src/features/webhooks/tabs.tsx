/** The three pages about webhooks. */
import { usePlace } from "../../router/place.ts";

const TABS: readonly (readonly [path: string, text: string])[] = [
  ["/dashboard/webhooks", "Deliveries"],
  ["/dashboard/webhooks/endpoints", "Endpoints"],
  ["/dashboard/webhooks/dead-letters", "Dead letters"],
];

export function WebhookTabs() {
  const { path } = usePlace();
  return (
    <nav class="segments" aria-label="Webhooks">
      {TABS.map(([to, text]) => (
        <a key={to} href={to} aria-current={to === path ? "page" : undefined}>
          {text}
        </a>
      ))}
    </nav>
  );
}
