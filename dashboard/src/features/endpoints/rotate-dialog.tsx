/** A new signing secret: ours or the merchant's own, with the earlier ones beside it for a day or not at all. */
import { useState } from "preact/hooks";
import { Field } from "web-shared/field";
import type { Endpoint, EndpointWithSecret } from "web-shared/wire";
import { useGateway } from "../../session/session-context.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { Check } from "../../ui/field.tsx";
import { FormProblem } from "../../ui/states.tsx";
import { useAction } from "../../ui/use-action.ts";
import { SECRET_HINT } from "./secret-hint.ts";

export interface RotateDialogProps {
  endpoint: Endpoint;
  onRotated: (endpoint: EndpointWithSecret) => void;
  onClose: () => void;
}

export function RotateDialog({ endpoint, onRotated, onClose }: RotateDialogProps) {
  const { api } = useGateway();
  const [secret, setSecret] = useState("");
  const [ended, setEnded] = useState(false);
  const rotating = useAction(async () => {
    const body = { secret: secret.trim() || null, expire_previous: ended };
    onRotated(await api.send<EndpointWithSecret>("POST", `/webhook-endpoints/${endpoint.id}/rotate-secret`, body));
  });
  const field = rotating.failure?.field ?? null;
  const submit = (event: Event) => {
    event.preventDefault();
    void rotating.run();
  };
  return (
    <Dialog title="Rotate the secret" onClose={onClose} locked={rotating.busy}>
      <form onSubmit={submit} data-test-id="rotate-form">
        <div class="dialog-body">
          <p>
            <code class="wrap">{endpoint.url}</code> gets a new signing secret.{" "}
            {ended ? "Earlier secrets stop signing immediately." : "Earlier secrets also sign for 24 hours each."}
          </p>
          <Field
            label="Your own secret (optional)"
            hint={SECRET_HINT}
            autocomplete="off"
            maxLength={128}
            testId="rotate-secret-input"
            problem={field === "secret" ? rotating.failure?.description : null}
            value={secret}
            onValue={setSecret}
          />
          <Check label="End earlier secrets now" checked={ended} onChecked={setEnded} />
          <FormProblem failure={field === "secret" ? null : rotating.failure} />
        </div>
        <footer class="dialog-foot">
          <button type="button" class="button quiet" disabled={rotating.busy} onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button" data-test-id="confirm-button" disabled={rotating.busy}>
            Rotate
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
