/** A secret that is shown only once. */
import { CopyButton } from "./copy.tsx";
import { Dialog } from "./dialog.tsx";

export interface SecretOnceProps {
  title: string;
  values: readonly (readonly [label: string, value: string])[];
  note: string;
  onClose: () => void;
}

export function SecretOnce({ title, values, note, onClose }: SecretOnceProps) {
  return (
    <Dialog title={title} onClose={onClose}>
      <div class="dialog-body">
        <p>{note}</p>
        <dl class="facts">
          {values.map(([label, value]) => (
            <div key={label}>
              <dt>{label}</dt>
              <dd class="secret-line">
                <code>{value}</code>
                <CopyButton text={value} label={label.toLowerCase()} />
              </dd>
            </div>
          ))}
        </dl>
      </div>
      <footer class="dialog-foot">
        <button type="button" class="button" onClick={onClose}>
          I have stored it
        </button>
      </footer>
    </Dialog>
  );
}
