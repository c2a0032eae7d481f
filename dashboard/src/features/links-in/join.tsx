/** An invitation: the recipient of its link chooses a password and becomes a user of the merchant. */
import { useGateway } from "../../session/session-context.tsx";
import { PasswordForm } from "./password-form.tsx";

export function JoinPage() {
  const { join } = useGateway();
  return (
    <PasswordForm
      title="Accept the invitation"
      lead="Choose a password. You are signed in with it right away."
      buttonText="Join"
      onPassword={join}
    />
  );
}
