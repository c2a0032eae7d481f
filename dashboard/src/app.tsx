/**
 * Which page is shown: the address and the session decide.
 * Open pages without a session; all others inside the shell, or the login that leads back to them.
 */
import { useEffect } from "preact/hooks";
import { LiveProvider } from "./live/live-context.tsx";
import { navigate, type Place, usePlace } from "./router/place.ts";
import { routeOf, SECOND_FACTOR } from "./routes.ts";
import { isHeldBack, loginPath, type Session, safeReturnPath } from "./session/session.ts";
import { useGateway } from "./session/session-context.tsx";
import { LazyPage } from "./shell/lazy-page.tsx";
import { Shell } from "./shell/shell.tsx";
import { Announcer } from "./ui/announcer.tsx";
import { ErrorState } from "./ui/states.tsx";

export function App() {
  return (
    <>
      <Screen />
      <Announcer />
    </>
  );
}

function Screen() {
  const { session, check } = useGateway();
  const place = usePlace();
  const { target, parameters } = routeOf(place.path);
  const elsewhere = redirectOf(session, place, target.open === true);
  useEffect(() => {
    if (elsewhere !== null) navigate(elsewhere, { replace: true });
  }, [elsewhere]);

  if (session.state === "unreachable") {
    return (
      <main class="alone">
        <ErrorState title="The gateway is unavailable" failure={session.failure} onRetry={check} />
      </main>
    );
  }
  if (session.state === "checking" || elsewhere !== null) return <div class="page-wait" aria-busy="true" />;
  if (isHeldBack(session)) {
    return (
      <main class="alone">
        <LazyPage loader={SECOND_FACTOR.loader} parameters={{}} />
      </main>
    );
  }
  const page = <LazyPage key={place.path} loader={target.loader} parameters={parameters} />;
  if (target.open) return <main class="alone">{page}</main>;
  return (
    <LiveProvider>
      <Shell>{page}</Shell>
    </LiveProvider>
  );
}

/** The address to redirect to, or null. */
function redirectOf(session: Session, place: Place, open: boolean): string | null {
  if (session.state === "signed_in") {
    if (open) return safeReturnPath(new URLSearchParams(place.search).get("next"));
    return place.path === "/" ? "/dashboard" : null;
  }
  if (session.state !== "anonymous" || open) return null;
  return loginPath(place.path + place.search);
}
