/** The two fields for a password: a new one, with the rule that the API has for it, and one's own given once more. */
import { Field } from "web-shared/field";

const PASSWORD_LEAST = 8;

interface PasswordFieldProps {
  label: string;
  testId: string;
  problem?: string | null;
  value: string;
  onValue: (value: string) => void;
}

export function NewPasswordField(props: PasswordFieldProps) {
  return (
    <Field
      {...props}
      type="password"
      autocomplete="new-password"
      required
      minLength={PASSWORD_LEAST}
      hint={`At least ${PASSWORD_LEAST} characters.`}
    />
  );
}

export function CurrentPasswordField(props: PasswordFieldProps) {
  return <Field {...props} type="password" autocomplete="current-password" required />;
}
