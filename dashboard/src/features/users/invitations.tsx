/** Invitations that wait, and a new one: its link is shown once, for the owner to pass on. */
import { useState } from "preact/hooks";
import { Field } from "web-shared/field";
import type { Invitation, NewInvitation, Role } from "web-shared/wire";
import type { Listed } from "../../api/types.ts";
import { useResource } from "../../list/resource.ts";
import { useGateway } from "../../session/session-context.tsx";
import { announce } from "../../ui/announcer.tsx";
import { Select } from "../../ui/field.tsx";
import { SecretOnce } from "../../ui/secret-once.tsx";
import { ErrorState, FormProblem, Skeleton } from "../../ui/states.tsx";
import { Near } from "../../ui/time.tsx";
import { useAction } from "../../ui/use-action.ts";
import { isRole, ROLES } from "./roles.ts";

export function Invitations() {
  const { api } = useGateway();
  const waiting = useResource("invitations", (signal) =>
    api.get<Listed<Invitation>>("/merchants/me/invitations", {}, signal),
  );
  const [made, setMade] = useState<NewInvitation | null>(null);
  return (
    <section class="card pad stack">
      <h2>Invitations</h2>
      <p class="muted">The link works once, within 72 hours. Whoever opens it chooses a password and joins.</p>
      <InviteForm
        onMade={(invitation) => {
          setMade(invitation);
          waiting.reload();
        }}
      />
      {waiting.state.status === "loading" && <Skeleton lines={2} />}
      {waiting.state.status === "error" && (
        <ErrorState
          title="The invitations could not be loaded"
          failure={waiting.state.failure}
          onRetry={waiting.reload}
        />
      )}
      {waiting.value && waiting.value.data.length > 0 && (
        <ul class="stack">
          {waiting.value.data.map((invitation) => (
            <Waiting key={invitation.id} invitation={invitation} onRevoked={waiting.reload} />
          ))}
        </ul>
      )}
      {made && (
        <SecretOnce
          title="Invitation"
          values={[["Link", made.url]]}
          note={`Send it to ${made.email}. It is shown only once.`}
          onClose={() => setMade(null)}
        />
      )}
    </section>
  );
}

function InviteForm({ onMade }: { onMade: (invitation: NewInvitation) => void }) {
  const { api } = useGateway();
  const [email, setEmail] = useState("");
  const [role, setRole] = useState<Role>("support");
  const inviting = useAction(async () => {
    onMade(await api.send<NewInvitation>("POST", "/merchants/me/invitations", { email: email.trim(), role }));
    setEmail("");
  });
  const problem = inviting.failure?.field === "email" ? inviting.failure.description : null;
  const submit = (event: Event) => {
    event.preventDefault();
    void inviting.run();
  };
  return (
    <form class="stack narrow" onSubmit={submit}>
      <Field
        label="E-mail"
        type="email"
        autocomplete="off"
        required
        testId="invite-email-input"
        problem={problem}
        value={email}
        onValue={setEmail}
      />
      <Select
        label="Role"
        testId="invite-role-input"
        value={role}
        options={ROLES.map(([name]) => [name, name] as const)}
        onValue={(value) => isRole(value) && setRole(value)}
      />
      <FormProblem failure={problem ? null : inviting.failure} />
      <div>
        <button type="submit" class="button compact" data-test-id="invite-button" disabled={inviting.busy}>
          Create invitation
        </button>
      </div>
    </form>
  );
}

function Waiting({ invitation, onRevoked }: { invitation: Invitation; onRevoked: () => void }) {
  const { api } = useGateway();
  const revoking = useAction(async () => {
    await api.send("DELETE", `/merchants/me/invitations/${invitation.id}`);
    announce("Invitation revoked");
    onRevoked();
  });
  return (
    <li data-test-id="invitation-row">
      <strong class="wrap">{invitation.email}</strong> as {invitation.role},{" "}
      <span class="muted">
        expires <Near at={invitation.expires_at} />
      </span>{" "}
      <button
        type="button"
        class="link-button"
        data-test-id="revoke-invitation-button"
        aria-label={`Revoke the invitation of ${invitation.email}`}
        disabled={revoking.busy}
        onClick={() => revoking.run()}
      >
        Revoke
      </button>
      <FormProblem failure={revoking.failure} />
    </li>
  );
}
