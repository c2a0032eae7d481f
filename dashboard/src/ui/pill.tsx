/** A status word with its tone. The word itself carries the meaning; the colour only repeats it. */
import { type Tone, toneOf } from "./tone.ts";

export function Pill({ status, tone, testId }: { status: string; tone?: Tone; testId?: string }) {
  return (
    <span class={`pill ${tone ?? toneOf(status)}`} data-test-id={testId}>
      {status.toLowerCase()}
    </span>
  );
}
