/** From nothing to a verified payment, with snippets that carry the reader's own key. */
import type { ComponentChildren } from "preact";
import type { ApiKey } from "web-shared/wire";
import type { Listed } from "../../api/types.ts";
import { useResource } from "../../list/resource.ts";
import { usePermission } from "../../session/guarded.tsx";
import { useGateway } from "../../session/session-context.tsx";
import { CodeBlock } from "../../ui/code-block.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import {
  createOrderSnippet,
  nodeWebhookSnippet,
  payOrderSnippet,
  pythonWebhookSnippet,
  razorpaySnippet,
  sdkSnippet,
} from "./snippets.ts";

export function DocsPage() {
  const { api, config } = useGateway();
  const { may: mayReadKeys } = usePermission("keys");
  const keys = useResource("keys", async (signal) =>
    mayReadKeys ? (await api.get<Listed<ApiKey>>("/merchants/me/keys", {}, signal)).data : [],
  );
  const key = keys.value?.find((each) => !each.revoked_at)?.key ?? "YOUR_KEY";
  const where = { apiUrl: config.api_url, checkoutUrl: config.checkout_url, key };
  return (
    <div class="stack-wide docs" data-test-id="api-docs">
      <PageHead title="Docs" lead="Three steps: an order from your server, a checkout on your page, a webhook back." />
      <p>
        More: the <a href="/docs/">guide</a> with a tutorial and a search, and the{" "}
        <a href={`${config.api_url}/docs`}>API reference</a>.
      </p>
      <Section
        testId="section-create-order"
        title="1. Create an order"
        snippet={createOrderSnippet(where)}
        snippetId="code-snippet-create-order"
      >
        <p>
          Your server fixes the amount, in paise. The secret is shown with your <a href="/dashboard/keys">key</a>, once;
          keep it in <code>API_SECRET</code>. The idempotency key makes a repeat of the same call safe: one order, the
          same response.
        </p>
      </Section>
      {config.test_mode && (
        <Section
          testId="section-pay-order"
          title="Pay it in test mode"
          snippet={payOrderSnippet(where)}
          snippetId="code-snippet-pay-order"
        >
          <p>
            Without a browser: put the order's id into <code>ORDER_ID</code>. The payment appears under{" "}
            <a href="/dashboard/transactions">Payments</a> right away. <code>failure@upi</code> is declined,{" "}
            <code>timeout@upi</code> gets no response from its bank.
          </p>
        </Section>
      )}
      <Section
        testId="section-sdk-integration"
        title="2. Open the checkout"
        snippet={sdkSnippet(where)}
        snippetId="code-snippet-sdk"
      >
        <p>
          The checkout opens over your page; card data never touches it. Put the order's id in place of{" "}
          <code>ORDER_ID</code>. <code>onSuccess</code> runs in the browser: before you deliver, call{" "}
          <code>GET /api/v1/payments/:id</code> from your server or wait for the webhook.
        </p>
      </Section>
      <Section
        testId="section-webhook-verification"
        title="3. Verify the webhook"
        snippet={nodeWebhookSnippet()}
        snippetId="code-snippet-webhook"
      >
        <p>
          Each event is sent to your <a href="/dashboard/webhooks/endpoints">endpoints</a> with{" "}
          <code>X-Webhook-Signature</code>: the HMAC-SHA256 of the exact body under the endpoint's secret. Respond with
          any 2xx within five seconds; everything else is retried. The same event may come twice, with the same{" "}
          <code>id</code>. The Standard Webhooks headers come too.
        </p>
      </Section>
      <Section
        testId="section-webhook-python"
        title="The same in Python"
        snippet={pythonWebhookSnippet()}
        snippetId="code-snippet-webhook-python"
      />
      {config.test_mode && (
        <Section
          testId="section-razorpay"
          title="A program written for Razorpay"
          snippet={razorpaySnippet(where)}
          snippetId="code-snippet-razorpay"
        >
          <p className="wrap">
            In test mode this gateway is also a test double for Razorpay, with the same key. Give your client its
            address; where a client has no option for that, <code>gateway razorpay</code> prints the lines that make the
            program use it unmodified. Pages load <code>{`${config.checkout_url}/v1/checkout.js`}</code>. Everything
            else is refused with an explanation; <code>docs/RAZORPAY.md</code> lists what is supported.
          </p>
        </Section>
      )}
    </div>
  );
}

interface SectionProps {
  testId: string;
  title: string;
  snippet: string;
  snippetId: string;
  children?: ComponentChildren;
}

function Section({ testId, title, snippet, snippetId, children }: SectionProps) {
  return (
    <section class="card pad stack" data-test-id={testId}>
      <h2>{title}</h2>
      {children}
      <CodeBlock text={snippet} label={title} testId={snippetId} />
    </section>
  );
}
