/** Who may sign in, in which role, and how much the role `support` may refund. For owners. */
import { useState } from "preact/hooks";
import { Field } from "web-shared/field";
import { inputToMinor, minorToInput } from "web-shared/format";
import type { Merchant, Role, User } from "web-shared/wire";
import type { Listed } from "../../api/types.ts";
import { Cell, type Column, ListTable } from "../../list/list-table.tsx";
import { useList } from "../../list/use-list.ts";
import { Guarded, usePermission } from "../../session/guarded.tsx";
import { useGateway, useMerchant, useUser } from "../../session/session-context.tsx";
import { announce } from "../../ui/announcer.tsx";
import { Confirm } from "../../ui/confirm.tsx";
import { Check } from "../../ui/field.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { Pill } from "../../ui/pill.tsx";
import { EmptyState, FormProblem } from "../../ui/states.tsx";
import { Near } from "../../ui/time.tsx";
import { useAction } from "../../ui/use-action.ts";
import { Invitations } from "./invitations.tsx";
import { isRole, ROLES } from "./roles.ts";

const COLUMNS: readonly Column[] = [
  { label: "User" },
  { label: "Role" },
  { label: "Second factor" },
  { label: "Last sign-in" },
  { label: "Added" },
  { label: "Actions", quiet: true },
];

export function UsersPage() {
  const { may } = usePermission("users");
  return (
    <div class="stack-wide">
      <PageHead title="Users" lead="Everybody who can sign in to this dashboard." />
      {may ? (
        <>
          <UserList />
          <Invitations />
          <RequireSecondFactor />
          <Roles />
          <SupportRefunds />
        </>
      ) : (
        <section class="card pad">
          <Guarded right="users">{null}</Guarded>
        </section>
      )}
    </div>
  );
}

function UserList() {
  const { api } = useGateway();
  const [removing, setRemoving] = useState<User | null>(null);
  const list = useList<User>("users", async (signal) => {
    const { data } = await api.get<Listed<User>>("/merchants/me/users", {}, signal);
    return { rows: data, hasMore: false, nextCursor: null, total: data.length };
  });
  const remove = async (user: User) => {
    await api.send("DELETE", `/merchants/me/users/${user.id}`);
    announce(`${user.email} was removed`);
    list.reload(true);
  };
  return (
    <>
      <ListTable
        caption="Users"
        noun="users"
        testId="users-table"
        columns={COLUMNS}
        state={list.state}
        filtered={false}
        clearPath="/dashboard/users"
        onRetry={() => list.reload()}
        empty={<EmptyState title="No users" />}
        row={(user) => (
          <UserRow key={user.id} user={user} onChanged={() => list.reload(true)} onRemove={() => setRemoving(user)} />
        )}
      />
      {removing && (
        <Confirm
          title="Remove user"
          confirmText="Remove"
          onConfirm={() => remove(removing)}
          onClose={() => setRemoving(null)}
        >
          <p>
            <strong class="wrap">{removing.email}</strong> can no longer sign in, and open sessions end now. The audit
            log keeps what this user did. API keys stay valid.
          </p>
        </Confirm>
      )}
    </>
  );
}

interface UserRowProps {
  user: User;
  onChanged: () => void;
  onRemove: () => void;
}

function UserRow({ user, onChanged, onRemove }: UserRowProps) {
  const { api } = useGateway();
  const own = useUser().id === user.id;
  const changing = useAction(async (role: Role) => {
    await api.send("PATCH", `/merchants/me/users/${user.id}`, { role });
    announce(`${user.email} is now ${role}`);
    onChanged();
  });
  return (
    <tr data-test-id="user-row" data-user-id={user.id}>
      <Cell label="User">
        <span class="wrap">{user.email}</span> {own && <Pill status="you" tone="ok" />}
      </Cell>
      <Cell label="Role">
        {own ? (
          user.role
        ) : (
          <select
            aria-label={`Role of ${user.email}`}
            data-test-id="role-select"
            value={user.role}
            disabled={changing.busy}
            onChange={(event) => {
              const role = event.currentTarget.value;
              if (isRole(role)) void changing.run(role);
            }}
          >
            {ROLES.map(([role]) => (
              <option key={role} value={role} selected={role === user.role}>
                {role}
              </option>
            ))}
          </select>
        )}
        <FormProblem failure={changing.failure} />
      </Cell>
      <Cell label="Second factor">
        {user.second_factor ? <Pill status="enabled" tone="ok" /> : <span class="muted">none</span>}
      </Cell>
      <Cell label="Last sign-in">
        <span class="muted">{user.last_login_at ? <Near at={user.last_login_at} /> : "never"}</span>
      </Cell>
      <Cell label="Added">
        <span class="muted">
          <Near at={user.created_at} />
        </span>
      </Cell>
      <Cell label="Actions" end>
        {!own && (
          <button type="button" class="link-button" data-test-id="remove-user-button" onClick={onRemove}>
            Remove
          </button>
        )}
      </Cell>
    </tr>
  );
}

function Roles() {
  return (
    <section class="card pad stack">
      <h2>What each role may do</h2>
      <dl class="facts">
        {ROLES.map(([role, text]) => (
          <div key={role}>
            <dt>{role}</dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function RequireSecondFactor() {
  const { api, changeMerchant } = useGateway();
  const { second_factor_required: required } = useMerchant();
  const own = useUser().second_factor;
  const [chosen, setChosen] = useState(required);
  const saving = useAction(async () => {
    changeMerchant(await api.send<Merchant>("PATCH", "/merchants/me/access", { second_factor_required: chosen }));
    announce("Saved");
  });
  const submit = (event: Event) => {
    event.preventDefault();
    void saving.run();
  };
  return (
    <form class="card pad stack narrow" data-test-id="require-second-factor" onSubmit={submit}>
      <h2>Second factor</h2>
      <p class="muted">Users without one can only set one up, from their next request on. API keys are not affected.</p>
      <Check
        label="Every user needs a second factor"
        checked={chosen}
        disabled={!(own || required)}
        onChecked={setChosen}
      />
      {!own && (
        <p class="small muted">
          Set up your own under <a href="/dashboard/account">Account</a> first.
        </p>
      )}
      <FormProblem failure={saving.failure} />
      <div>
        <button
          type="submit"
          class="button compact"
          data-test-id="save-second-factor-button"
          disabled={saving.busy || chosen === required}
        >
          Save
        </button>
      </div>
    </form>
  );
}

/** Amounts in rupees; a limit in another currency is set over the API, and stays what it is here. */
function SupportRefunds() {
  const { api, changeMerchant } = useGateway();
  const { support_refunds: limit } = useMerchant();
  const [maximum, setMaximum] = useState(limit === null ? "" : minorToInput(limit.maximum_minor));
  const minor = maximum.trim() === "" ? null : inputToMinor(maximum);
  const problem = maximum.trim() !== "" && minor === null ? "Enter an amount such as 500." : null;
  const saving = useAction(async () => {
    const support_refunds = minor === null ? null : { maximum_minor: minor, currency: limit?.currency ?? "INR" };
    changeMerchant(await api.send<Merchant>("PATCH", "/merchants/me/access", { support_refunds }));
    announce("Saved");
  });
  const submit = (event: Event) => {
    event.preventDefault();
    void saving.run();
  };
  return (
    <form class="card pad stack narrow" onSubmit={submit}>
      <h2>Refunds by support</h2>
      <Field
        label={`Limit for one payment, in ${limit?.currency ?? "INR"}`}
        hint="All refunds of one payment by the role support together stay within it. Empty: support refunds nothing."
        inputMode="decimal"
        autocomplete="off"
        testId="support-refund-limit-input"
        problem={problem}
        value={maximum}
        onValue={setMaximum}
      />
      <FormProblem failure={saving.failure} />
      <div>
        <button
          type="submit"
          class="button compact"
          data-test-id="save-access-button"
          disabled={saving.busy || problem !== null}
        >
          Save
        </button>
      </div>
    </form>
  );
}
