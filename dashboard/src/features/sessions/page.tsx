/** The user's sessions, and for an owner everybody's, each with a button to end it. */
import type { LoginSession } from "web-shared/wire";
import type { Listed } from "../../api/types.ts";
import { Cell, type Column, ListTable } from "../../list/list-table.tsx";
import { useList } from "../../list/use-list.ts";
import { useGateway } from "../../session/session-context.tsx";
import { announce } from "../../ui/announcer.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { Pill } from "../../ui/pill.tsx";
import { EmptyState, FormProblem } from "../../ui/states.tsx";
import { Near } from "../../ui/time.tsx";
import { useAction } from "../../ui/use-action.ts";

const COLUMNS: readonly Column[] = [
  { label: "User" },
  { label: "Browser" },
  { label: "Address" },
  { label: "Signed in" },
  { label: "Last seen" },
  { label: "Actions", quiet: true },
];

export function SessionsPage() {
  const { api } = useGateway();
  const list = useList<LoginSession>("sessions", async (signal) => {
    const { data } = await api.get<Listed<LoginSession>>("/auth/sessions", {}, signal);
    return { rows: data, hasMore: false, nextCursor: null, total: data.length };
  });
  return (
    <div class="stack-wide">
      <PageHead
        title="Sessions"
        lead="A session ends when it is not used for a while, and after about a day in any case."
      />
      <ListTable
        caption="Sessions"
        noun="sessions"
        testId="sessions-table"
        columns={COLUMNS}
        state={list.state}
        filtered={false}
        clearPath="/dashboard/sessions"
        onRetry={() => list.reload()}
        empty={<EmptyState title="No sessions" />}
        row={(session) => <SessionRow key={session.id} session={session} onEnded={() => list.reload(true)} />}
      />
    </div>
  );
}

function SessionRow({ session, onEnded }: { session: LoginSession; onEnded: () => void }) {
  const { api } = useGateway();
  const ending = useAction(async () => {
    await api.send("DELETE", `/auth/sessions/${session.id}`);
    announce("Session ended");
    onEnded();
  });
  return (
    <tr data-test-id="session-row">
      <Cell label="User">
        <span class="wrap">{session.email}</span>
      </Cell>
      <Cell label="Browser">
        <span title={session.user_agent ?? ""}>{browserName(session.user_agent)}</span>{" "}
        {session.current && <Pill status="this one" tone="ok" />}
      </Cell>
      <Cell label="Address">
        <code>{session.ip || "–"}</code>
      </Cell>
      <Cell label="Signed in">
        <span class="muted">
          <Near at={session.created_at} />
        </span>
      </Cell>
      <Cell label="Last seen">
        <span class="muted">
          <Near at={session.last_seen_at} />
        </span>
      </Cell>
      <Cell label="Actions" end>
        {!session.current && (
          <button type="button" class="link-button" disabled={ending.busy} onClick={() => ending.run()}>
            End
          </button>
        )}
        <FormProblem failure={ending.failure} />
      </Cell>
    </tr>
  );
}

/** `Chrome on Linux`: enough to tell one's own browsers apart. Edge also identifies as Chrome, so order matters. */
export function browserName(agent: string | null): string {
  if (!agent) return "Unknown";
  const browser = ["Edg", "Firefox", "Chrome", "Safari"].find((name) => agent.includes(`${name}/`)) ?? "Other";
  const system =
    ["Android", "iPhone", "Windows", "Mac OS X", "Linux"].find((name) => agent.includes(name)) ?? "another system";
  return `${browser === "Edg" ? "Edge" : browser} on ${system === "Mac OS X" ? "macOS" : system}`;
}
