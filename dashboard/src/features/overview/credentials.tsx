/** The key pair to begin with. The secret is masked, and can be shown only while this page holds it. */
import { useState } from "preact/hooks";
import type { ListedKey } from "web-shared/wire";
import type { Listed } from "../../api/types.ts";
import { useResource } from "../../list/resource.ts";
import { usePermission } from "../../session/guarded.tsx";
import { useGateway } from "../../session/session-context.tsx";
import { CopyButton } from "../../ui/copy.tsx";
import { ErrorState, Skeleton } from "../../ui/states.tsx";

const MASK = "••••••••••••";

export function Credentials() {
  const { may, why } = usePermission("keys");
  return may ? (
    <KnownCredentials />
  ) : (
    <section class="card pad credentials" data-test-id="api-credentials">
      <h2>API credentials</h2>
      <p class="muted">{why}</p>
    </section>
  );
}

function KnownCredentials() {
  const { api, session } = useGateway();
  const keys = useResource("keys", (signal) => api.get<Listed<ListedKey>>("/merchants/me/keys", {}, signal));
  const first = keys.value?.data.find((key) => !key.revoked_at);
  const secrets = session.state === "signed_in" ? session.secrets : {};
  return (
    <section class="card pad credentials" data-test-id="api-credentials">
      <div class="card-head">
        <h2>API credentials</h2>
        <a class="small" href="/dashboard/keys">
          All keys
        </a>
      </div>
      {keys.state.status === "loading" && <Skeleton lines={2} />}
      {keys.state.status === "error" && (
        <ErrorState title="The keys could not be loaded" failure={keys.state.failure} onRetry={keys.reload} />
      )}
      {keys.value && !first && (
        <p class="muted">
          No key is active. <a href="/dashboard/keys">Create one</a>
        </p>
      )}
      {first && <Pair apiKey={first.key} secret={first.secret ?? secrets[first.key] ?? null} passing={!first.secret} />}
    </section>
  );
}

interface PairProps {
  apiKey: string;
  secret: string | null;
  /** This page forgets the secret when it is reloaded. */
  passing: boolean;
}

function Pair({ apiKey, secret, passing }: PairProps) {
  const [shown, setShown] = useState(false);
  return (
    <dl class="facts">
      <div>
        <dt>Key</dt>
        <dd class="secret-line">
          <code data-test-id="api-key">{apiKey}</code>
          <CopyButton text={apiKey} label="key" />
        </dd>
      </div>
      <div>
        <dt>Secret</dt>
        <dd class="secret-line">
          <code data-test-id="api-secret">{shown && secret ? secret : MASK}</code>
          {secret ? (
            <>
              <button
                type="button"
                class="link-button"
                data-test-id="reveal-secret-button"
                aria-pressed={shown}
                onClick={() => setShown(!shown)}
              >
                {shown ? "Hide" : "Reveal"}
              </button>
              <CopyButton text={secret} label="secret" />
              {passing && <span class="small muted">shown until you reload this page; store it now</span>}
            </>
          ) : (
            <span class="small muted">
              shown once, when it was created. Lost it? <a href="/dashboard/keys">Rotate it</a>
            </span>
          )}
        </dd>
      </div>
    </dl>
  );
}
