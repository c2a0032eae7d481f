/** The secret that signs a payer's way back: regenerated here, shown once. */
import { useState } from "preact/hooks";
import type { ReturnSecret } from "web-shared/wire";
import { useGateway } from "../../session/session-context.tsx";
import { Confirm } from "../../ui/confirm.tsx";
import { Check } from "../../ui/field.tsx";
import { momentText } from "../../ui/moment.ts";
import { SecretOnce } from "../../ui/secret-once.tsx";

export function ReturnSecretCard() {
  const { api } = useGateway();
  const [confirming, setConfirming] = useState(false);
  const [made, setMade] = useState<ReturnSecret | null>(null);
  const [ended, setEnded] = useState(false);
  const rotate = async () =>
    setMade(await api.send<ReturnSecret>("POST", "/merchants/me/return-secret", { expire_previous: ended }));
  const open = () => {
    setEnded(false);
    setConfirming(true);
  };
  return (
    <section class="card pad stack">
      <h2>Back to the shop</h2>
      <p class="muted">
        An order with a <code>return_url</code> sends the payer back to your page with the outcome and a signature. Use
        this secret to verify the signature.
      </p>
      <div>
        <button type="button" class="button quiet" data-test-id="new-return-secret-button" onClick={open}>
          New return secret
        </button>
      </div>
      {confirming && (
        <Confirm
          title="New return secret"
          confirmText="Create new secret"
          confirmClass="button"
          onConfirm={rotate}
          onClose={() => setConfirming(false)}
        >
          <p>
            The new secret signs from now on. For 24 hours the previous one also signs, in{" "}
            <code>signature_previous</code>, so that your shop has time to change. Within these 24 hours you can rotate
            again only if you end it now.
          </p>
          <Check label="End the previous secret now" checked={ended} onChecked={setEnded} />
        </Confirm>
      )}
      {made && (
        <SecretOnce
          title="Return secret"
          values={[["Return secret", made.secret]]}
          note={`It is shown only once. ${previousText(made)}`}
          onClose={() => setMade(null)}
        />
      )}
    </section>
  );
}

function previousText({ previous_expires_at: until }: ReturnSecret): string {
  return until === null ? "" : `The previous secret also signs until ${momentText(until, new Date(), false)}.`;
}
