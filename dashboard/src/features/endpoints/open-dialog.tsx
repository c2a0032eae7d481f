/** The dialog that is open over the list of endpoints. */
import type { Endpoint, EndpointWithSecret } from "web-shared/wire";
import { useGateway } from "../../session/session-context.tsx";
import { announce } from "../../ui/announcer.tsx";
import { Confirm } from "../../ui/confirm.tsx";
import { SecretOnce } from "../../ui/secret-once.tsx";
import { EndpointDialog } from "./endpoint-dialog.tsx";
import { ReplayDialog } from "./replay-dialog.tsx";
import { RotateDialog } from "./rotate-dialog.tsx";

/** Which dialog, and for which endpoint. */
export type Open =
  | { kind: "create" }
  | { kind: "edit" | "rotate" | "delete" | "replay"; endpoint: Endpoint }
  | { kind: "secret"; endpoint: EndpointWithSecret };

interface OpenDialogProps {
  open: Open;
  onOpen: (open: Open) => void;
  onClose: () => void;
  onChanged: () => void;
}

export function OpenDialog({ open, onOpen, onClose, onChanged }: OpenDialogProps) {
  const { api } = useGateway();
  const showSecret = (endpoint: EndpointWithSecret) => {
    onChanged();
    onOpen({ kind: "secret", endpoint });
  };
  switch (open.kind) {
    case "create":
      return <EndpointDialog endpoint={null} onCreated={showSecret} onChanged={onChanged} onClose={onClose} />;
    case "edit":
      return <EndpointDialog endpoint={open.endpoint} onCreated={showSecret} onChanged={onChanged} onClose={onClose} />;
    case "replay":
      return <ReplayDialog endpoint={open.endpoint} onClose={onClose} />;
    case "secret":
      return (
        <SecretOnce
          title="Signing secret"
          note="Use it to verify each webhook's signature. It is shown only once."
          values={[["Secret", open.endpoint.secret]]}
          onClose={onClose}
        />
      );
    case "rotate":
      return <RotateDialog endpoint={open.endpoint} onRotated={showSecret} onClose={onClose} />;
    case "delete": {
      const { id, url } = open.endpoint;
      const remove = async () => {
        await api.send("DELETE", `/webhook-endpoints/${id}`);
        announce("Endpoint deleted");
        onChanged();
      };
      return (
        <Confirm title="Delete endpoint" confirmText="Delete" onConfirm={remove} onClose={onClose}>
          <p>
            <code class="wrap">{url}</code> will receive no more events. Its deliveries stay in the log.
          </p>
        </Confirm>
      );
    }
  }
}
