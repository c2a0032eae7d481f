/** Asks once before something that cannot be undone, naming what it will do on the button itself. */
import type { ComponentChildren } from "preact";
import { useAction } from "./action.ts";
import { Dialog } from "./dialog.tsx";
import { FormProblem } from "./states.tsx";

export interface ConfirmProps {
  title: string;
  children: ComponentChildren;
  confirmText: string;
  onConfirm: () => Promise<unknown>;
  onClose: () => void;
}

export function Confirm({ title, children, confirmText, onConfirm, onClose }: ConfirmProps) {
  const action = useAction(async () => {
    await onConfirm();
    onClose();
  });
  return (
    <Dialog title={title} onClose={onClose} locked={action.busy}>
      <div class="dialog-body">{children}</div>
      <FormProblem failure={action.failure} />
      <footer class="dialog-foot">
        <button type="button" class="button quiet" disabled={action.busy} onClick={onClose}>
          Cancel
        </button>
        <button type="button" class="button danger" disabled={action.busy} onClick={() => action.run()}>
          {confirmText}
        </button>
      </footer>
    </Dialog>
  );
}
