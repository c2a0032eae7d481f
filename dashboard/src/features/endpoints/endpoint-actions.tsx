/** What can be done with one endpoint. */
import type { Endpoint } from "web-shared/wire";
import { useGateway } from "../../session/session-context.tsx";
import { announce } from "../../ui/announcer.tsx";
import { FormProblem } from "../../ui/states.tsx";
import { useAction } from "../../ui/use-action.ts";
import type { Open } from "./open-dialog.tsx";

export interface EndpointActionsProps {
  endpoint: Endpoint;
  onOpen: (open: Open) => void;
  onChanged: () => void;
}

export function EndpointActions({ endpoint, onOpen, onChanged }: EndpointActionsProps) {
  const { api } = useGateway();
  const path = `/webhook-endpoints/${endpoint.id}`;
  const testing = useAction(async () => {
    await api.send("POST", `${path}/test`);
    announce("Test event sent");
  });
  const switching = useAction(async () => {
    await api.send("PATCH", path, { active: !endpoint.active });
    announce(endpoint.active ? "Endpoint paused; its events are held" : "Endpoint active");
    onChanged();
  });
  const open = (kind: "edit" | "rotate" | "delete" | "replay") => () => onOpen({ kind, endpoint });
  return (
    <div class="row-actions">
      <Small text="Test" testId="test-endpoint-button" onPress={() => testing.run()} disabled={testing.busy} />
      <Small
        text={endpoint.active ? "Pause" : "Resume"}
        testId="pause-endpoint-button"
        onPress={() => switching.run()}
        disabled={switching.busy}
      />
      <Small text="Edit" testId="edit-endpoint-button" onPress={open("edit")} />
      <Small text="Rotate" testId="rotate-endpoint-button" onPress={open("rotate")} />
      <Small text="Replay" testId="replay-endpoint-button" onPress={open("replay")} />
      <Small text="Delete" testId="delete-endpoint-button" onPress={open("delete")} />
      <FormProblem failure={testing.failure ?? switching.failure} />
    </div>
  );
}

interface SmallProps {
  text: string;
  testId: string;
  onPress: () => void;
  disabled?: boolean;
}

function Small({ text, testId, onPress, disabled = false }: SmallProps) {
  return (
    <button type="button" class="link-button" data-test-id={testId} disabled={disabled} onClick={onPress}>
      {text}
    </button>
  );
}
