/** Paying by card. Number and code are only in this page's memory, and are wiped with the response. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Field } from "web-shared/field";
import { METHODS, NETWORK_NAMES } from "web-shared/methods";
import type { Instrument } from "../flow/api.ts";
import type { CardText } from "../state/drafts.ts";
import {
  brandOf,
  cvvFault,
  cvvLength,
  digitsOf,
  expiryEdited,
  expiryFault,
  expiryShown,
  type FieldFault,
  isComplete,
  numberEdited,
  numberFault,
  parseExpiry,
} from "../state/instrument.ts";

import { useTexts } from "../texts/language.ts";
import { PayButton } from "../ui/pay-button.tsx";
import type { FormProps } from "./method-form.ts";

type JudgedField = "number" | "expiry" | "cvv";
const NONE_JUDGED: Readonly<Record<JudgedField, boolean>> = { number: false, expiry: false, cvv: false };
const ALL_JUDGED: Readonly<Record<JudgedField, boolean>> = { number: true, expiry: true, cvv: true };

export function CardForm(props: FormProps<CardText>) {
  const { shown, busy, amount, draft: card, problem, onDraft: onCard, onPay } = props;
  const texts = useTexts();
  const form = useRef<HTMLFormElement>(null);
  const [judged, setJudged] = useState(NONE_JUDGED);
  const brand = brandOf(digitsOf(card.number));
  const faults: Record<JudgedField, FieldFault | null> = {
    number: numberFault(card.number),
    expiry: expiryFault(card.expiry, new Date()),
    cvv: cvvFault(card.cvv, brand),
  };
  const problemText = (field: JudgedField): string | null => {
    const fault = judged[field] || (field === "number" && isComplete(card.number)) ? faults[field] : null;
    return (fault && texts.faults[field]?.[fault]) || (problem?.field === field ? problem.text : null);
  };
  // Empty fields are judged when Pay is pressed, not when they are passed.
  const judge = (field: JudgedField): void => setJudged({ ...judged, [field]: card[field] !== "" });
  const focus = (field: string): void => form.current?.querySelector<HTMLInputElement>(`#card-${field}`)?.focus();

  const submit = (event: Event): void => {
    event.preventDefault();
    setJudged(ALL_JUDGED);
    const first = (["number", "expiry", "cvv"] as const).find((field) => faults[field]);
    if (first) focus(first);
    else onPay(instrumentOf(card));
  };
  useEffect(() => {
    if (problem) focus(problem.field);
  }, [problem]);
  useEffect(() => {
    if (card.number === "" && card.cvv === "") setJudged(NONE_JUDGED);
  }, [card.number, card.cvv]);

  return (
    <form
      id={METHODS.card.form}
      class="form"
      data-test-id="card-form"
      ref={form}
      hidden={!shown}
      noValidate
      onSubmit={submit}
    >
      <NumberField
        value={card.number}
        onChange={(number) => onCard({ number })}
        onBlur={() => judge("number")}
        fault={problemText("number")}
        brand={NETWORK_NAMES[brand]}
      />
      <div class="row">
        <Field
          id="card-expiry"
          label={texts.expiry}
          testId="expiry-input"
          inputMode="numeric"
          autocomplete="cc-exp"
          placeholder="MM/YY"
          value={card.expiry}
          onInput={(event) => onCard({ expiry: expiryEdited(event.currentTarget.value, isErasing(event)) })}
          onBlur={() => {
            const expiry = parseExpiry(card.expiry);
            if (expiry) onCard({ expiry: expiryShown(expiry, new Date()) });
            judge("expiry");
          }}
          problem={problemText("expiry")}
        />
        <Field
          id="card-name"
          label={texts.name}
          testId="cardholder-name-input"
          autocomplete="cc-name"
          maxLength={120}
          value={card.name}
          onInput={(event) => onCard({ name: event.currentTarget.value })}
        />
        <Field
          id="card-cvv"
          label={texts.cvv}
          testId="cvv-input"
          type="password"
          inputMode="numeric"
          autocomplete="cc-csc"
          maxLength={4}
          placeholder={"•".repeat(cvvLength(brand))}
          value={card.cvv}
          onInput={(event) => onCard({ cvv: digitsOf(event.currentTarget.value) })}
          onBlur={() => judge("cvv")}
          problem={problemText("cvv")}
          hint={texts.cvv_hint(cvvLength(brand))}
        />
      </div>
      <PayButton amount={amount} busy={busy} />
    </form>
  );
}

interface NumberProps {
  value: string;
  brand: string;
  fault: string | null;
  onChange(value: string): void;
  onBlur(): void;
}

/** Digits in groups, with the caret kept behind the digit it stood behind. */
function NumberField({ value, brand, fault, onChange, onBlur }: NumberProps) {
  const texts = useTexts();
  const input = useRef<HTMLInputElement>(null);
  const caret = useRef<number | null>(null);
  useLayoutEffect(() => {
    if (caret.current === null || !input.current) return;
    input.current.setSelectionRange(caret.current, caret.current);
    caret.current = null;
  });
  const edit = (event: InputEvent): void => {
    const target = event.currentTarget as HTMLInputElement;
    const edited = numberEdited(target.value, target.selectionStart ?? target.value.length, value, isErasing(event));
    caret.current = edited.caret;
    target.value = edited.text; // even if the state stays the same and nothing is drawn again
    target.setSelectionRange(edited.caret, edited.caret);
    onChange(edited.text);
  };
  return (
    <Field
      id="card-number"
      label={texts.number}
      testId="card-number-input"
      inputRef={input}
      inputMode="numeric"
      autocomplete="cc-number"
      placeholder="1234 5678 9012 3456"
      value={value}
      onInput={edit}
      onBlur={onBlur}
      problem={fault}
      badge={brand}
    />
  );
}

function isErasing(event: Event): boolean {
  return "inputType" in event && event.inputType === "deleteContentBackward";
}

function instrumentOf(card: CardText): Instrument {
  const expiry = parseExpiry(card.expiry) ?? { month: 0, year: 0 };
  return {
    method: "card",
    card: {
      number: digitsOf(card.number),
      expiry_month: expiry.month,
      expiry_year: expiry.year,
      cvv: card.cvv,
      ...(card.name.trim() && { holder_name: card.name.trim() }),
    },
  };
}
