/** Recovery codes, shown only once. */
import { copyText } from "../../ui/copy.tsx";
import { Dialog } from "../../ui/dialog.tsx";

export function CodesDialog({ codes, onClose }: { codes: readonly string[]; onClose: () => void }) {
  return (
    <Dialog title="Recovery codes" onClose={onClose}>
      <div class="dialog-body">
        <p>
          Each signs you in once without the app. Keep them where you would find them without your phone. They are shown
          only now; codes from before no longer work.
        </p>
        <ul class="codes" data-test-id="recovery-codes">
          {codes.map((code) => (
            <li key={code}>
              <code>{code}</code>
            </li>
          ))}
        </ul>
      </div>
      <footer class="dialog-foot">
        <button type="button" class="button quiet" onClick={() => copyText(codes.join("\n"), "Recovery codes")}>
          Copy
        </button>
        <button type="button" class="button" data-test-id="codes-stored-button" onClick={onClose}>
          I have stored them
        </button>
      </footer>
    </Dialog>
  );
}
