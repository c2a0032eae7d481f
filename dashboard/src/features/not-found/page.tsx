/** An address that leads nowhere. */
import { PageHead } from "../../ui/page-head.tsx";
import { EmptyState } from "../../ui/states.tsx";

export function NotFoundPage() {
  return (
    <>
      <PageHead title="Page not found" />
      <div class="card">
        <EmptyState
          title="This page does not exist"
          action={
            <a class="button quiet" href="/dashboard">
              Go to the overview
            </a>
          }
        >
          Use the search above to find payments, refunds and events by id.
        </EmptyState>
      </div>
    </>
  );
}
