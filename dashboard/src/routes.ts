/** Every address of the dashboard and the code behind it. Each page is a chunk of its own. */

import { findRoute, type Route } from "./router/match.ts";
import type { PageLoader } from "./shell/lazy-page.tsx";

export interface Target {
  loader: PageLoader;
  /** Seen without signing in. */
  open?: boolean;
}

const login: Target = { open: true, loader: () => import("./features/login/page.tsx").then((page) => page.LoginPage) };
const signUp: Target = {
  open: true,
  loader: () => import("./features/sign-up/page.tsx").then((page) => page.SignUpPage),
};
const join: Target = { open: true, loader: () => import("./features/links-in/join.tsx").then((page) => page.JoinPage) };
const reset: Target = {
  open: true,
  loader: () => import("./features/links-in/reset.tsx").then((page) => page.ResetPage),
};
/** In place of every page behind the login, while the user lacks the second factor that the merchant requires. */
export const SECOND_FACTOR: Target = {
  loader: () => import("./features/second-factor/page.tsx").then((page) => page.SecondFactorPage),
};
const overview: Target = { loader: () => import("./features/overview/page.tsx").then((page) => page.OverviewPage) };
const orders: Target = { loader: () => import("./features/orders/page.tsx").then((page) => page.OrdersPage) };
const order: Target = { loader: () => import("./features/order/page.tsx").then((page) => page.OrderPage) };
const links: Target = { loader: () => import("./features/links/page.tsx").then((page) => page.LinksPage) };
const transactions: Target = {
  loader: () => import("./features/payments/page.tsx").then((page) => page.TransactionsPage),
};
const payment: Target = { loader: () => import("./features/payment/page.tsx").then((page) => page.PaymentPage) };
const refunds: Target = { loader: () => import("./features/refunds/page.tsx").then((page) => page.RefundsPage) };
const refund: Target = { loader: () => import("./features/refunds/page.tsx").then((page) => page.RefundPage) };
const webhooks: Target = { loader: () => import("./features/webhooks/page.tsx").then((page) => page.WebhooksPage) };
const endpoints: Target = { loader: () => import("./features/endpoints/page.tsx").then((page) => page.EndpointsPage) };
const deadLetters: Target = {
  loader: () => import("./features/webhooks/page.tsx").then((page) => page.DeadLettersPage),
};
const delivery: Target = { loader: () => import("./features/delivery/page.tsx").then((page) => page.DeliveryPage) };
const events: Target = { loader: () => import("./features/events/page.tsx").then((page) => page.EventsPage) };
const event: Target = { loader: () => import("./features/events/page.tsx").then((page) => page.EventPage) };
const keys: Target = { loader: () => import("./features/keys/page.tsx").then((page) => page.KeysPage) };
const settings: Target = { loader: () => import("./features/settings/page.tsx").then((page) => page.SettingsPage) };
const sessions: Target = { loader: () => import("./features/sessions/page.tsx").then((page) => page.SessionsPage) };
const account: Target = { loader: () => import("./features/account/page.tsx").then((page) => page.AccountPage) };
const users: Target = { loader: () => import("./features/users/page.tsx").then((page) => page.UsersPage) };
const auditLog: Target = { loader: () => import("./features/audit-log/page.tsx").then((page) => page.AuditLogPage) };
const docs: Target = { loader: () => import("./features/docs/page.tsx").then((page) => page.DocsPage) };
const notFound: Target = { loader: () => import("./features/not-found/page.tsx").then((page) => page.NotFoundPage) };

const ROUTES: readonly Route<Target>[] = [
  { pattern: "/login", target: login },
  { pattern: "/sign-up", target: signUp },
  { pattern: "/join", target: join },
  { pattern: "/reset", target: reset },
  { pattern: "/dashboard", target: overview },
  { pattern: "/dashboard/orders", target: orders },
  { pattern: "/dashboard/orders/:id", target: order },
  { pattern: "/dashboard/links", target: links },
  { pattern: "/dashboard/transactions", target: transactions },
  { pattern: "/dashboard/payments/:id", target: payment },
  { pattern: "/dashboard/refunds", target: refunds },
  { pattern: "/dashboard/refunds/:id", target: refund },
  { pattern: "/dashboard/webhooks", target: webhooks },
  { pattern: "/dashboard/webhooks/endpoints", target: endpoints },
  { pattern: "/dashboard/webhooks/dead-letters", target: deadLetters },
  { pattern: "/dashboard/webhooks/deliveries/:id", target: delivery },
  { pattern: "/dashboard/events", target: events },
  { pattern: "/dashboard/events/:id", target: event },
  { pattern: "/dashboard/keys", target: keys },
  { pattern: "/dashboard/settings", target: settings },
  { pattern: "/dashboard/sessions", target: sessions },
  { pattern: "/dashboard/users", target: users },
  { pattern: "/dashboard/account", target: account },
  { pattern: "/dashboard/audit-log", target: auditLog },
  { pattern: "/dashboard/docs", target: docs },
];

export function routeOf(path: string) {
  return findRoute(ROUTES, path) ?? { target: notFound, parameters: {} };
}

/** Fetch the code of a path's page while the session is still being fetched. A failure shows when it is drawn. */
export function preloadPage(path: string): void {
  routeOf(path)
    .target.loader()
    .catch(() => undefined);
}
