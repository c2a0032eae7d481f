/** The one-endpoint form: where to send, the secret that signs, a test. More than one: the endpoints page. */
import { useState } from "preact/hooks";
import { Field } from "web-shared/field";
import type { WebhookConfig } from "web-shared/wire";
import { type Resource, useResource } from "../../list/resource.ts";
import { Guarded } from "../../session/guarded.tsx";
import { useGateway } from "../../session/session-context.tsx";
import { announce } from "../../ui/announcer.tsx";
import { Confirm } from "../../ui/confirm.tsx";
import { CopyButton } from "../../ui/copy.tsx";
import { ErrorState, FormProblem, Skeleton } from "../../ui/states.tsx";
import { useAction } from "../../ui/use-action.ts";

export function ConfigForm() {
  const { api } = useGateway();
  const config = useResource("config", (signal) => api.get<WebhookConfig>("/webhooks/config", {}, signal));
  return (
    <section class="card pad stack" data-test-id="webhook-config">
      <div class="card-head">
        <h2>Endpoint</h2>
        <a class="small" href="/dashboard/webhooks/endpoints">
          More than one?
        </a>
      </div>
      {config.state.status === "loading" && <Skeleton lines={2} />}
      {config.state.status === "error" && (
        <ErrorState title="The endpoint could not be loaded" failure={config.state.failure} onRetry={config.reload} />
      )}
      {config.value && (
        <Guarded right="webhooks">
          <Form config={config.value} onConfig={config.change} />
        </Guarded>
      )}
    </section>
  );
}

interface FormProps {
  config: WebhookConfig;
  onConfig: Resource<WebhookConfig>["change"];
}

function Form({ config, onConfig }: FormProps) {
  const { api } = useGateway();
  const [url, setUrl] = useState(config.webhook_url ?? "");
  const saving = useAction(async () => {
    const changed = await api.send<WebhookConfig>("PUT", "/webhooks/config", { webhook_url: url.trim() });
    onConfig({ ...changed, webhook_secret: changed.webhook_secret ?? config.webhook_secret });
    announce("Endpoint saved");
  });
  const testing = useAction(async () => {
    await api.send("POST", "/webhooks/test");
    announce("Test event sent");
  });
  const submit = (event: Event) => {
    event.preventDefault();
    void saving.run();
  };
  const problem = saving.failure?.field === "webhook_url" ? saving.failure.description : null;
  return (
    <form class="config-form" data-test-id="webhook-config-form" onSubmit={submit}>
      <Field
        label="URL"
        type="url"
        required
        placeholder="https://shop.example/webhooks"
        autocomplete="off"
        testId="webhook-url-input"
        problem={problem}
        value={url}
        onValue={setUrl}
      />
      <div class="config-buttons">
        <button type="submit" class="button compact" data-test-id="save-webhook-button" disabled={saving.busy}>
          Save
        </button>
        <button
          type="button"
          class="button quiet"
          data-test-id="test-webhook-button"
          disabled={testing.busy || !config.webhook_url}
          onClick={() => testing.run()}
        >
          Send test event
        </button>
      </div>
      <SecretLine config={config} onConfig={onConfig} />
      <FormProblem failure={problem ? testing.failure : (saving.failure ?? testing.failure)} />
    </form>
  );
}

function SecretLine({ config, onConfig }: FormProps) {
  const { api } = useGateway();
  const [confirming, setConfirming] = useState(false);
  const secret = config.webhook_secret;
  const regenerate = async () => {
    const changed = await api.send<WebhookConfig>("POST", "/webhooks/regenerate-secret");
    onConfig(changed);
    announce("New secret created");
  };
  return (
    <div class="secret-line config-secret">
      <span class="muted small">Secret</span>
      <code data-test-id="webhook-secret">{secret ?? config.secret_hint ?? "–"}</code>
      {secret && <CopyButton text={secret} label="webhook secret" />}
      {secret && <span class="small muted">shown only once</span>}
      <button
        type="button"
        class="link-button"
        data-test-id="regenerate-secret-button"
        disabled={!config.webhook_url}
        onClick={() => setConfirming(true)}
      >
        Regenerate
      </button>
      {confirming && (
        <Confirm
          title="Regenerate the secret"
          confirmText="Regenerate"
          onConfirm={regenerate}
          onClose={() => setConfirming(false)}
        >
          <p>The old secret also signs for another 24 hours.</p>
        </Confirm>
      )}
    </div>
  );
}
