/** Paying by UPI: a QR code on a desktop, links to apps on a phone, and a field for the UPI ID on both. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { minorToInput } from "web-shared/format";
import type { Instrument, Order } from "../flow/api.ts";
import type { QrPath } from "../qr.ts";
import type { FieldProblem } from "../state/checkout.ts";
import { vpaFault } from "../state/instrument.ts";
import { UPI_APPS, type UpiRequest, upiLink } from "../state/upi-link.ts";
import { useTexts } from "../texts/language.ts";
import { Field } from "../ui/field.tsx";
import { PayButton } from "../ui/pay-button.tsx";

interface Props {
  order: Order | null;
  shown: boolean;
  busy: boolean;
  amount: string;
  vpa: string;
  problem: FieldProblem | null;
  onVpa(vpa: string): void;
  onPay(instrument: Instrument): void;
  /** Test mode: what a scan would do. */
  onScan?: () => void;
}

export function UpiForm({ order, shown, busy, amount, vpa, problem, onVpa, onPay, onScan }: Props) {
  const texts = useTexts();
  const [judged, setJudged] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const fault = judged ? vpaFault(vpa) : null;
  const request = order && upiRequest(order);
  const submit = (event: Event): void => {
    event.preventDefault();
    setJudged(true);
    if (vpaFault(vpa)) field.current?.focus();
    else onPay({ method: "upi", vpa: vpa.trim() });
  };
  useEffect(() => {
    if (problem?.field === "vpa") field.current?.focus();
  }, [problem]);
  return (
    <form id="upi-form" class="form" data-test-id="upi-form" hidden={!shown} noValidate onSubmit={submit}>
      {shown && request && <WaysToScan request={request} amount={amount} onScan={onScan} busy={busy} />}
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
        value={vpa}
        onInput={(event) => onVpa(event.currentTarget.value)}
        onBlur={() => setJudged(vpa !== "")}
        fault={(fault && texts.faults.vpa?.[fault]) || (problem?.field === "vpa" ? problem.text : null)}
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
