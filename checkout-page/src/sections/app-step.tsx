/**
 * What a payer does in a UPI app: scan a QR code, or on a phone open the app by a link. A request that waits in the app
 * already has no code: it was sent to one payer. A chunk that only such payments load.
 */
import { useEffect, useState } from "preact/hooks";
import { drawQr } from "web-shared/qr";
import { linkFor, UPI_APPS } from "../state/upi-link.ts";
import { useTexts } from "../texts/language.ts";

export interface AppStepProps {
  /** `upi://pay?…` */
  link: string;
  /** No address is known: any payer can scan the code. */
  scan: boolean;
  amount: string;
  /** Test mode: stands in for the payer's app. */
  onDecide: ((approved: boolean) => void) | undefined;
}

/** On a phone the links, elsewhere the code: a phone cannot scan its own screen. */
export function AppStep({ link, scan, amount, onDecide }: AppStepProps) {
  const texts = useTexts();
  const phone = matchMedia("(pointer: coarse)").matches;
  const [decided, setDecided] = useState(false);
  useEffect(() => setDecided(false), [link]);
  const decide = (approved: boolean): void => {
    setDecided(true);
    onDecide?.(approved);
  };
  return (
    <>
      {phone ? <AppLinks link={link} /> : scan && <QrCode link={link} amount={amount} />}
      {onDecide && (
        <div class="simulated">
          {scan && <p class="muted small">{texts.scan_hint_test}</p>}
          <button
            type="button"
            class="button quiet"
            data-test-id="simulate-scan"
            disabled={decided}
            onClick={() => decide(true)}
          >
            {texts.scan_test}
          </button>
          <button
            type="button"
            class="button quiet"
            data-test-id="simulate-refusal"
            disabled={decided}
            onClick={() => decide(false)}
          >
            {texts.refuse_test}
          </button>
        </div>
      )}
    </>
  );
}

function QrCode({ link, amount }: { link: string; amount: string }) {
  const texts = useTexts();
  const { size, path } = drawQr(link);
  return (
    <svg class="qr" viewBox={`-3 -3 ${size + 6} ${size + 6}`} role="img" aria-label={texts.scan_label(amount)}>
      <path d={path} shape-rendering="crispEdges" />
    </svg>
  );
}

function AppLinks({ link }: { link: string }) {
  const texts = useTexts();
  return (
    <nav class="apps" aria-label={texts.open_app}>
      {UPI_APPS.map(({ name, scheme }) => (
        <a key={name} class="button quiet" href={linkFor(scheme, link)}>
          {name}
        </a>
      ))}
      <a class="button quiet" href={link}>
        {texts.any_app}
      </a>
    </nav>
  );
}
