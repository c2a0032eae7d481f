/** Paying by UPI: a QR code on a desktop, links to apps on a phone, and a field for the UPI ID on both. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Field } from "web-shared/field";
import { minorToInput } from "web-shared/format";
import { METHODS } from "web-shared/methods";
import type { Order } from "../flow/api.ts";
import type { QrPath } from "../qr.ts";
import type { UpiText } from "../state/drafts.ts";
import { vpaFault } from "../state/instrument.ts";
import { UPI_APPS, type UpiRequest, upiLink } from "../state/upi-link.ts";
import { useTexts } from "../texts/language.ts";
import { PayButton } from "../ui/pay-button.tsx";
import type { FormProps } from "./method-form.ts";

export function UpiForm(props: FormProps<UpiText>) {
  const { order, shown, busy, amount, draft, problem, outcome, onDraft, onPay } = props;
  const texts = useTexts();
  const [judged, setJudged] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const fault = judged ? vpaFault(draft.vpa) : null;
  const request = order && upiRequest(order);
  const simulate = async (): Promise<void> => {
    const { testUpi } = await import("../state/test-data.ts");
    onPay({ method: "upi", ...testUpi(outcome) });
  };
  const scan = order?.test_mode ? () => void simulate() : undefined;
  const submit = (event: Event): void => {
    event.preventDefault();
    setJudged(true);
    if (vpaFault(draft.vpa)) field.current?.focus();
    else onPay({ method: "upi", vpa: draft.vpa.trim() });
  };
  useEffect(() => {
    if (problem?.field === "vpa") field.current?.focus();
  }, [problem]);
  return (
    <form id={METHODS.upi.form} class="form" data-test-id="upi-form" hidden={!shown} noValidate onSubmit={submit}>
      {shown && request && <WaysToScan request={request} amount={amount} onScan={scan} busy={busy} />}
      <Field
        id="vpa"
        label={texts.vpa}
        testId="vpa-input"
        inputRef={field}
        type="text"
        inputMode="email"
        autocomplete="off"
        maxLength={255}
        placeholder="name@bank"
        value={draft.vpa}
        onValue={(vpa) => onDraft({ vpa })}
        onBlur={() => setJudged(draft.vpa !== "")}
        problem={(fault && texts.faults.vpa?.[fault]) || (problem?.field === "vpa" ? problem.text : null)}
        hint={texts.vpa_hint}
      />
      <PayButton amount={amount} busy={busy} />
    </form>
  );
}

/** On a phone the links, elsewhere the code: whoever holds the phone cannot scan its own screen. */
function WaysToScan(props: { request: UpiRequest; amount: string; busy: boolean; onScan?: () => void }) {
  const texts = useTexts();
  const phone = matchMedia("(pointer: coarse)").matches;
  const scan = props.onScan && (
    <button
      type="button"
      class="button quiet"
      data-test-id="simulate-scan"
      disabled={props.busy}
      onClick={props.onScan}
    >
      {texts.scan_test}
    </button>
  );
  return (
    <>
      {phone ? (
        <AppLinks request={props.request}>{scan}</AppLinks>
      ) : (
        <QrCode request={props.request} amount={props.amount}>
          {scan}
        </QrCode>
      )}
      <p class="or">
        <span>{texts.or}</span>
      </p>
    </>
  );
}

interface WayProps {
  request: UpiRequest;
  /** Test mode: what stands in for the payer's phone. */
  children: ComponentChildren;
}

function QrCode({ request, amount, children }: WayProps & { amount: string }) {
  const texts = useTexts();
  const [code, setCode] = useState<QrPath | null>(null);
  const link = upiLink(request);
  useEffect(() => {
    let wanted = true;
    import("../qr.ts").then(
      ({ drawQr }) => wanted && setCode(drawQr(link)),
      () => {}, // the field below still works
    );
    return () => {
      wanted = false;
    };
  }, [link]);
  return (
    <div class="qr">
      <svg
        viewBox={code ? `-3 -3 ${code.size + 6} ${code.size + 6}` : "0 0 1 1"}
        role="img"
        aria-label={texts.scan_label(amount)}
      >
        {code && <path d={code.path} shape-rendering="crispEdges" />}
      </svg>
      <div>
        <p class="strong">{texts.scan}</p>
        <p class="muted small">{children ? texts.scan_hint_test : texts.scan_hint}</p>
        {children}
      </div>
    </div>
  );
}

function AppLinks({ request, children }: WayProps) {
  const texts = useTexts();
  return (
    <nav class="apps" aria-label={texts.open_app}>
      {UPI_APPS.map(({ name, scheme }) => (
        <a key={name} class="button quiet" href={upiLink(request, scheme)}>
          {name}
        </a>
      ))}
      <a class="button quiet" href={upiLink(request)}>
        {texts.any_app}
      </a>
      {children}
    </nav>
  );
}

/** What a UPI app needs. In test mode an address that no bank knows stands in for the merchant's. */
function upiRequest(order: Order): UpiRequest | null {
  const payee = order.upi_payee ?? (order.test_mode ? `${order.merchant.id}@gateway` : null);
  if (!payee) return null;
  const { amount, currency, id, merchant } = order;
  return { payee, payeeName: merchant.name, amount: minorToInput(amount, currency), currency, reference: id };
}
