/** Replay the events of a period to an endpoint: first the count, then the start. They carry `webhook-replay: true`. */
import { useState } from "preact/hooks";
import { Field } from "web-shared/field";
import { formatCount } from "web-shared/format";
import type { Endpoint, Matching } from "web-shared/wire";
import { useGateway } from "../../session/session-context.tsx";
import { announce } from "../../ui/announcer.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { FormProblem } from "../../ui/states.tsx";
import { useAction } from "../../ui/use-action.ts";

const DAY_MS = 86_400_000;

export function ReplayDialog({ endpoint, onClose }: { endpoint: Endpoint; onClose: () => void }) {
  const { api } = useGateway();
  const [from, setFrom] = useState(() => fieldTime(Date.now() - DAY_MS));
  const [to, setTo] = useState(() => fieldTime(Date.now()));
  const [matching, setMatching] = useState<number | null>(null);
  const start = (dryRun: boolean) =>
    api.send<Matching>("POST", `/webhook-endpoints/${endpoint.id}/replay`, {
      from: new Date(from).toISOString(),
      to: new Date(to).toISOString(),
      dry_run: dryRun,
    });
  const working = useAction(async () => {
    if (matching === null) return setMatching((await start(true)).matching);
    await start(false);
    announce(`${formatCount(matching)} events are being replayed`);
    onClose();
  });
  const change = (set: (value: string) => void) => (value: string) => {
    set(value);
    setMatching(null);
  };
  const submit = (event: Event) => {
    event.preventDefault();
    void working.run();
  };
  return (
    <Dialog title="Replay events" onClose={onClose} locked={working.busy}>
      <form onSubmit={submit}>
        <div class="dialog-body">
          <Field label="From" type="datetime-local" required value={from} onValue={change(setFrom)} />
          <Field label="To" type="datetime-local" required value={to} onValue={change(setTo)} />
          <p role="status">{matching !== null && `${formatCount(matching)} events will be replayed.`}</p>
          <FormProblem failure={working.failure} />
        </div>
        <footer class="dialog-foot">
          <button type="button" class="button quiet" disabled={working.busy} onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button" disabled={working.busy || matching === 0}>
            {matching === null ? "Count" : `Replay ${formatCount(matching)}`}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

/** An instant in the form of `datetime-local`: the reader's own clock, to the minute. */
function fieldTime(time: number): string {
  const at = new Date(time);
  return new Date(time - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
