/** An address that leads nowhere. */
import { PageHead } from "../../ui/page-head.tsx";
import { EmptyState } from "../../ui/states.tsx";

export function NotFoundPage() {
  return (
    <>
      <PageHead title="No such page" />
      <div class="card">
        <EmptyState
          title="This address leads nowhere"
          action={
            <a class="button quiet" href="/dashboard">
              To the overview
            </a>
          }
        >
          Payments, refunds and events can be found by their id in the search above.
        </EmptyState>
      </div>
    </>
  );
}
