/** The API keys: made, rotated with an overlap, revoked. A secret is shown once. */
import { useState } from "preact/hooks";
import { Field } from "web-shared/field";
import type { ApiKey, KeyPair } from "web-shared/wire";
import type { Listed } from "../../api/types.ts";
import { Cell, type Column, ListTable } from "../../list/list-table.tsx";
import { useList } from "../../list/use-list.ts";
import { useGateway } from "../../session/session-context.tsx";
import { announce } from "../../ui/announcer.tsx";
import { Confirm } from "../../ui/confirm.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { Check, Select } from "../../ui/field.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { Pill } from "../../ui/pill.tsx";
import { SecretOnce } from "../../ui/secret-once.tsx";
import { EmptyState, FormProblem } from "../../ui/states.tsx";
import { Near } from "../../ui/time.tsx";
import { useAction } from "../../ui/use-action.ts";
import { ENDS, type KeyForm, mayDo, NEW_KEY, newKeyBody, SCOPES, withScope } from "./new-key.ts";

const PATH = "/dashboard/keys";
const COLUMNS: readonly Column[] = [
  { label: "Key" },
  { label: "Name" },
  { label: "May" },
  { label: "Created" },
  { label: "Last used" },
  { label: "Status" },
  { label: "Actions", quiet: true },
];
const OVERLAPS: readonly (readonly [hours: string, text: string])[] = [
  ["0", "immediately"],
  ["1", "after 1 hour"],
  ["24", "after 24 hours"],
  ["168", "after 7 days"],
];

type Open = { kind: "create" } | { kind: "rotate" | "revoke"; key: ApiKey } | { kind: "secret"; pair: KeyPair };

export function KeysPage() {
  const { api, learnSecret } = useGateway();
  const [open, setOpen] = useState<Open | null>(null);
  const list = useList<ApiKey>("keys", async (signal) => {
    const { data } = await api.get<Listed<ApiKey>>("/merchants/me/keys", {}, signal);
    return { rows: data, hasMore: false, nextCursor: null, total: data.length };
  });
  const made = (pair: KeyPair) => {
    learnSecret(pair.key, pair.secret);
    list.reload(true);
    setOpen({ kind: "secret", pair });
  };
  return (
    <div class="stack-wide">
      <PageHead
        title="API keys"
        lead="A key identifies you; its secret authenticates you. Keep secrets on your server."
      >
        <button
          type="button"
          class="button compact"
          data-test-id="create-key-button"
          onClick={() => setOpen({ kind: "create" })}
        >
          Create key
        </button>
      </PageHead>
      <ListTable
        caption="API keys"
        noun="keys"
        testId="keys-table"
        columns={COLUMNS}
        state={list.state}
        filtered={false}
        clearPath={PATH}
        onRetry={() => list.reload()}
        empty={<EmptyState title="No keys">Create one to use the API.</EmptyState>}
        row={(key) => <KeyRow key={key.id} apiKey={key} onOpen={setOpen} />}
      />
      {open && (
        <OpenDialog open={open} onMade={made} onChanged={() => list.reload(true)} onClose={() => setOpen(null)} />
      )}
    </div>
  );
}

/** Revoked, running out, or in use. */
export function keyStatus(key: ApiKey, now: number): "active" | "expiring" | "expired" | "revoked" {
  if (key.revoked_at) return "revoked";
  if (!key.expires_at) return "active";
  return Date.parse(key.expires_at) <= now ? "expired" : "expiring";
}

function KeyRow({ apiKey, onOpen }: { apiKey: ApiKey; onOpen: (open: Open) => void }) {
  const status = keyStatus(apiKey, Date.now());
  const usable = status === "active" || status === "expiring";
  return (
    <tr data-test-id="key-row" data-key-id={apiKey.id}>
      <Cell label="Key">
        <code>{apiKey.key}</code>
      </Cell>
      <Cell label="Name">{apiKey.name}</Cell>
      <Cell label="May">
        {mayDo(apiKey)}
        {apiKey.addresses.length > 0 && <span class="small muted note">from {apiKey.addresses.join(", ")}</span>}
      </Cell>
      <Cell label="Created">
        <span class="muted">
          <Near at={apiKey.created_at ?? null} />
        </span>
      </Cell>
      <Cell label="Last used">
        <span class="muted">{apiKey.last_used_at ? <Near at={apiKey.last_used_at} /> : "never"}</span>
      </Cell>
      <Cell label="Status">
        <Pill status={status} tone={status === "expiring" ? "wait" : undefined} />
        {status === "expiring" && (
          <span class="small muted note">
            <Near at={apiKey.expires_at ?? null} />
          </span>
        )}
      </Cell>
      <Cell label="Actions" end>
        {usable && (
          <div class="row-actions">
            <button
              type="button"
              class="link-button"
              data-test-id="rotate-key-button"
              onClick={() => onOpen({ kind: "rotate", key: apiKey })}
            >
              Rotate
            </button>
            <button
              type="button"
              class="link-button"
              data-test-id="revoke-key-button"
              onClick={() => onOpen({ kind: "revoke", key: apiKey })}
            >
              Revoke
            </button>
          </div>
        )}
      </Cell>
    </tr>
  );
}

interface OpenDialogProps {
  open: Open;
  onMade: (pair: KeyPair) => void;
  onChanged: () => void;
  onClose: () => void;
}

function OpenDialog({ open, onMade, onChanged, onClose }: OpenDialogProps) {
  const { api } = useGateway();
  switch (open.kind) {
    case "create":
      return <CreateDialog onMade={onMade} onClose={onClose} />;
    case "rotate":
      return <RotateDialog apiKey={open.key} onMade={onMade} onClose={onClose} />;
    case "secret":
      return (
        <SecretOnce
          title="New key"
          note="The secret is shown only once. Store it now."
          values={[
            ["Key", open.pair.key],
            ["Secret", open.pair.secret],
          ]}
          onClose={onClose}
        />
      );
    case "revoke": {
      const { id, key } = open.key;
      const revoke = async () => {
        await api.send("DELETE", `/merchants/me/keys/${id}`);
        announce("Key revoked");
        onChanged();
      };
      return (
        <Confirm title="Revoke key" confirmText="Revoke" onConfirm={revoke} onClose={onClose}>
          <p>
            <code class="wrap">{key}</code> is refused from now on, everywhere. This cannot be undone.
          </p>
        </Confirm>
      );
    }
  }
}

function CreateDialog({ onMade, onClose }: { onMade: (pair: KeyPair) => void; onClose: () => void }) {
  const { api } = useGateway();
  const [form, setForm] = useState<KeyForm>(NEW_KEY);
  const set = (change: Partial<KeyForm>) => setForm((before) => ({ ...before, ...change }));
  const creating = useAction(async () =>
    onMade(await api.send<KeyPair>("POST", "/merchants/me/keys", newKeyBody(form, Date.now()))),
  );
  const submit = (event: Event) => {
    event.preventDefault();
    void creating.run();
  };
  return (
    <Dialog title="Create key" onClose={onClose} locked={creating.busy}>
      <form onSubmit={submit}>
        <div class="dialog-body">
          <Field
            label="Name"
            hint="Where you use it, such as “shop server”."
            autocomplete="off"
            maxLength={100}
            testId="key-name-input"
            value={form.name}
            onValue={(name) => set({ name })}
          />
          <fieldset class="field">
            <legend>What it may be used for</legend>
            {SCOPES.map(([scope, text]) => (
              <Check
                key={scope}
                label={text}
                checked={form.scopes.includes(scope)}
                onChecked={(checked) => set({ scopes: withScope(form.scopes, scope, checked) })}
              />
            ))}
            <p class="small muted">None chosen: everything.</p>
          </fieldset>
          <Field
            label="Addresses"
            hint="Where it may be used from, such as “203.0.113.7, 2001:db8::/48”. Empty: everywhere."
            autocomplete="off"
            testId="key-addresses-input"
            value={form.addresses}
            onValue={(addresses) => set({ addresses })}
          />
          <Select
            label="It ends"
            options={ENDS}
            value={form.endsInDays}
            onValue={(days) => set({ endsInDays: days })}
          />
          <FormProblem failure={creating.failure} />
        </div>
        <footer class="dialog-foot">
          <button type="button" class="button quiet" onClick={onClose} disabled={creating.busy}>
            Cancel
          </button>
          <button type="submit" class="button" data-test-id="save-key-button" disabled={creating.busy}>
            Create key
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

interface RotateDialogProps {
  apiKey: ApiKey;
  onMade: (pair: KeyPair) => void;
  onClose: () => void;
}

function RotateDialog({ apiKey, onMade, onClose }: RotateDialogProps) {
  const { api } = useGateway();
  const [hours, setHours] = useState("24");
  const rotating = useAction(async () =>
    onMade(await api.send<KeyPair>("POST", `/merchants/me/keys/${apiKey.id}/rotate`, { overlap_hours: Number(hours) })),
  );
  const submit = (event: Event) => {
    event.preventDefault();
    void rotating.run();
  };
  return (
    <Dialog title="Rotate key" onClose={onClose} locked={rotating.busy}>
      <form onSubmit={submit}>
        <div class="dialog-body">
          <p>
            A new pair takes the place of <code class="wrap">{apiKey.key}</code>.
          </p>
          <Select label="The old key expires" options={OVERLAPS} value={hours} onValue={setHours} />
          <FormProblem failure={rotating.failure} />
        </div>
        <footer class="dialog-foot">
          <button type="button" class="button quiet" onClick={onClose} disabled={rotating.busy}>
            Cancel
          </button>
          <button type="submit" class="button" data-test-id="confirm-rotate-key-button" disabled={rotating.busy}>
            Rotate
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
