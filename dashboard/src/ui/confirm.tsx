/** Asks once before something that cannot be undone, naming what it will do on the button itself. */
import type { ComponentChildren } from "preact";
import { Dialog } from "./dialog.tsx";
import { FormProblem } from "./states.tsx";
import { useAction } from "./use-action.ts";

export interface ConfirmProps {
  title: string;
  children: ComponentChildren;
  confirmText: string;
  /** `Cancel`, but where that is what is confirmed. */
  dismissText?: string;
  /** `button danger` unless the confirmed action is harmless. */
  confirmClass?: string;
  onConfirm: () => Promise<unknown>;
  /** After `onConfirm`; without it the dialog closes. */
  onDone?: () => void;
  onClose: () => void;
}

export function Confirm(props: ConfirmProps) {
  const { title, children, confirmText, dismissText = "Cancel", confirmClass = "button danger" } = props;
  const { onConfirm, onClose, onDone = onClose } = props;
  const action = useAction(async () => {
    await onConfirm();
    onDone();
  });
  return (
    <Dialog title={title} onClose={onClose} locked={action.busy}>
      <div class="dialog-body">{children}</div>
      <FormProblem failure={action.failure} />
      <footer class="dialog-foot">
        <button type="button" class="button quiet" disabled={action.busy} onClick={onClose}>
          {dismissText}
        </button>
        <button
          type="button"
          class={confirmClass}
          data-test-id="confirm-button"
          disabled={action.busy}
          onClick={() => action.run()}
        >
          {confirmText}
        </button>
      </footer>
    </Dialog>
  );
}
