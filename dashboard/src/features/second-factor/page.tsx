/** What a user sees whose merchant requires a second factor, until there is one. */
import { useGateway } from "../../session/session-context.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { useAction } from "../../ui/use-action.ts";
import { SetUp } from "./set-up.tsx";

export function SecondFactorPage() {
  const { logout } = useGateway();
  const leaving = useAction(logout);
  return (
    <div class="door">
      <PageHead title="Set up a second factor" lead="Your merchant requires one for every user." />
      <section class="card pad stack">
        <SetUp />
      </section>
      <p class="small centred">
        <button type="button" class="link-button" disabled={leaving.busy} onClick={() => leaving.run()}>
          Sign out
        </button>
      </p>
    </div>
  );
}
