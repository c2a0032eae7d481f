/** Create a payment link, ready to be copied. */
import { useRef, useState } from "preact/hooks";
import { Field } from "web-shared/field";
import { formatMoney } from "web-shared/format";
import type { PaymentLink } from "web-shared/wire";
import { useGateway } from "../../session/session-context.tsx";
import { announce } from "../../ui/announcer.tsx";
import { CopyButton } from "../../ui/copy.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { FormProblem } from "../../ui/states.tsx";
import { useAction } from "../../ui/use-action.ts";
import { keyOfIntent } from "../payments/intent.ts";
import { type LinkText, linkOf, NO_LINK } from "./new-link.ts";

interface LinkDialogProps {
  onMade: () => void;
  onClose: () => void;
}

export function LinkDialog({ onMade, onClose }: LinkDialogProps) {
  const { api } = useGateway();
  const [text, setText] = useState(NO_LINK);
  const [made, setMade] = useState<PaymentLink | null>(null);
  const key = useRef(keyOfIntent());
  const body = linkOf(text);
  const making = useAction(async () => {
    if (!body) return;
    setMade(await api.send<PaymentLink>("POST", "/payment-links", body, { idempotencyKey: key.current(body) }));
    announce("Payment link created");
    onMade();
  });
  if (made) return <Made link={made} onClose={onClose} />;
  const field = (name: keyof LinkText, label: string, more: object = {}) => (
    <Field
      label={label}
      autocomplete="off"
      testId={`link-${name}-input`}
      value={text[name]}
      onValue={(value) => setText((before) => ({ ...before, [name]: value }))}
      {...more}
    />
  );
  const submit = (event: Event) => {
    event.preventDefault();
    void making.run();
  };
  const problem = text.amount !== "" && !body ? `Enter an amount in ${text.currency}.` : null;
  return (
    <Dialog title="New payment link" onClose={onClose} locked={making.busy}>
      <form onSubmit={submit} data-test-id="link-form">
        <div class="dialog-body">
          <div class="field-row">
            {field("amount", "Amount", { inputMode: "decimal", required: true, problem })}
            {field("currency", "Currency", { maxLength: 3, required: true })}
          </div>
          {field("description", "Description (optional)", { maxLength: 255, hint: "Your customer sees it." })}
          {field("reference", "Your reference (optional)", { maxLength: 255 })}
          {field("name", "Customer's name (optional)", { maxLength: 255 })}
          {field("email", "Customer's e-mail (optional)", { type: "email" })}
          {field("contact", "Customer's phone number (optional)", { type: "tel" })}
          {field("expires", "Expires (optional)", { type: "datetime-local", hint: "Empty: it does not expire." })}
          <FormProblem failure={making.failure} />
        </div>
        <footer class="dialog-foot">
          <button type="button" class="button quiet" disabled={making.busy} onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button" data-test-id="make-link-button" disabled={!body || making.busy}>
            Create link
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function Made({ link, onClose }: { link: PaymentLink; onClose: () => void }) {
  return (
    <Dialog title="Payment link" onClose={onClose}>
      <div class="dialog-body">
        <p>
          Send this URL to your customer. Anyone who opens it can pay {formatMoney(link.amount, link.currency)}, once.
        </p>
        <p class="secret-line">
          <code data-test-id="link-url">{link.url}</code>
          <CopyButton text={link.url} label="payment link" />
        </p>
      </div>
      <footer class="dialog-foot">
        <button type="button" class="button" onClick={onClose}>
          Done
        </button>
      </footer>
    </Dialog>
  );
}
