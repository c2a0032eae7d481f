/** Webhooks: the quick endpoint form, and what was sent. */
import { PageHead } from "../../ui/page-head.tsx";
import { ConfigForm } from "./config-form.tsx";
import { DeliveryList } from "./delivery-list.tsx";
import { WebhookTabs } from "./tabs.tsx";

export function WebhooksPage() {
  return (
    <div class="stack-wide">
      <PageHead title="Webhooks">
        <WebhookTabs />
      </PageHead>
      <ConfigForm />
      <DeliveryList
        path="/dashboard/webhooks"
        emptyTitle="No webhooks yet"
        emptyText="Save an endpoint. Each payment's outcome is then sent there and listed here."
      />
    </div>
  );
}

/** Deliveries that failed for good: kept on the dead letter topic, and here until they are retried. */
export function DeadLettersPage() {
  return (
    <div class="stack-wide">
      <PageHead
        title="Dead letters"
        lead="Deliveries that failed every attempt. Nothing here is lost: retry one, or all."
      >
        <WebhookTabs />
      </PageHead>
      <DeliveryList
        path="/dashboard/webhooks/dead-letters"
        fixed={{ status: "failed" }}
        emptyTitle="No dead letters"
        emptyText="A delivery appears here when its last attempt fails."
      />
    </div>
  );
}
