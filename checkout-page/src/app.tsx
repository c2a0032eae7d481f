/** The page: summary on one side, what can be done now on the other. Every part stays in the document, hidden or shown. */
import { useEffect, useState } from "preact/hooks";
import type { Method } from "sdk/types";
import { formatMoney } from "web-shared/format";
import { METHOD_NAMES } from "web-shared/methods";
import type { Api, Instrument } from "./flow/api.ts";
import type { ParentLine } from "./flow/parent.ts";
import { useCheckout } from "./flow/use-checkout.ts";
import { useDrafts } from "./flow/use-drafts.ts";
import { useFrame } from "./flow/use-frame.ts";
import { shopOf, useReturn } from "./flow/use-return.ts";
import { FORMS } from "./methods.ts";
import type { Place } from "./place.ts";
import type { FormProps, MethodForm } from "./sections/method-form.ts";
import { Methods } from "./sections/methods.tsx";
import { Processing } from "./sections/processing.tsx";
import { messageOf, Receipt, titleOf } from "./sections/receipt.tsx";
import { Summary } from "./sections/summary.tsx";
import { TestBanner } from "./sections/test-banner.tsx";
import { Trouble, troubleOf } from "./sections/trouble.tsx";
import { type Checkout, isLocked, moneyIn } from "./state/checkout.ts";
import type { Drafts, Outcome } from "./state/drafts.ts";
import { type Payer, payerOf } from "./state/payer.ts";
import type { Texts } from "./texts/en.ts";
import { LANGUAGES, LOCALES, type Locale, useTexts } from "./texts/language.ts";

interface Props {
  api: Api;
  place: Place;
  line: ParentLine;
  locale: Locale;
  onLanguage(locale: Locale): void;
}

export function App({ api, place, line, locale, onLanguage }: Props) {
  const texts = useTexts();
  const { state, choose, pay, retry, leave, decide, reload } = useCheckout(api, place, line);
  const { drafts, change, prefill } = useDrafts(state);
  const [outcome, setOutcome] = useState<Outcome>("success");
  const [preferred, setPreferred] = useState<Checkout["method"]>(null);
  const [payer, setPayer] = useState<Payer>({});
  const { root, returning } = useFrame(line, state);
  const shop = shopOf(state, place, line);
  const leaving = useReturn(shop, state);
  const { order, screen, method } = state;
  const amount = order ? formatMoney(order.amount, order.currency) : "";
  const paying = screen === "ready" || screen === "submitting";
  const busy = screen === "submitting";
  const offered = order?.methods ?? METHOD_NAMES;
  const forms = {
    busy,
    amount,
    order,
    outcome,
    problem: state.fieldProblem,
    onPay: (instrument: Instrument) => pay({ ...payer, ...instrument }),
  };

  useEffect(() => {
    line.onInit(({ prefill: given, method: requested }) => {
      if (given) {
        prefill(given);
        setPayer(payerOf(given));
      }
      setPreferred(requested ?? null);
    });
  }, [line]);
  useEffect(() => {
    // The shop's choice may come before the order or after it. A single method needs no choice.
    const first = offered.find((name) => name === preferred || offered.length === 1);
    if (screen === "ready" && !method && first) choose(first);
  }, [screen, method, preferred, offered, choose]);
  useEffect(() => {
    document.title = order ? texts.pay_merchant(order.merchant.name) : texts.title;
  }, [order, texts]);

  const fill = async (): Promise<void> => {
    const { filledIn } = await import("./state/test-data.ts");
    const filled = filledIn(outcome, method, offered, new Date().getFullYear());
    choose(filled.method);
    change(filled.method, filled.draft);
  };

  return (
    <div ref={root} class={line.connected || place.embedded ? "page embedded" : "page"}>
      {(order?.test_mode ?? (place.testMode && screen === "loading")) && (
        <TestBanner tools={toolsOn(screen)} outcome={outcome} onOutcome={setOutcome} onFill={() => void fill()} />
      )}
      <p class="notice" role="status" hidden={state.online || screen === "offline"}>
        {!state.online && screen !== "offline" && texts.offline_notice}
      </p>
      <main class="card sheet" data-test-id="checkout-container" data-state={screen}>
        <Summary
          order={order}
          orderId={place.orderId}
          amount={amount}
          paid={screen === "success" || screen === "paid"}
          returned={["returned", "voided_returned", "reversed"].includes(moneyIn(state)?.state ?? "")}
          payable={paying || screen === "failed"}
          loading={screen === "loading" && !order}
        />
        <section>
          <div hidden={screen !== "loading"} class="panel">
            <span class="spinner" aria-hidden="true" />
            <h1 class="panel-title">{texts.loading}</h1>
          </div>
          <div class="choice" hidden={!paying}>
            <h1 id="choose">{texts.choose}</h1>
            <Methods offered={offered} chosen={method} busy={busy} onChoose={choose} />
            {METHOD_NAMES.map((name) => (
              <MethodSection
                key={name}
                name={name}
                {...forms}
                shown={method === name}
                draft={drafts[name]}
                onDraft={(part) => change(name, part)}
              />
            ))}
          </div>
          <Processing
            state={state}
            framed={line.connected || place.embedded}
            amount={amount}
            onLeave={leave}
            onDecide={decide}
          />
          <Receipt
            state={state}
            amount={amount}
            returning={returning || leaving}
            shop={shop}
            onDone={line.connected ? () => line.send({ type: "close", data: "done" }) : undefined}
          />
          <Trouble state={state} shop={shop} onRetry={retry} onReload={reload} />
          <footer>
            <span>{texts.not_stored}</span>
            <span class="links">
              {LOCALES.filter((other) => other !== locale).map((other) => (
                <button key={other} type="button" class="link" lang={other} onClick={() => onLanguage(other)}>
                  {LANGUAGES[other]}
                </button>
              ))}
              {shop && paying && !isLocked(screen) && (
                <a class="link" href={shop} data-test-id="leave-link">
                  {texts.cancel}
                </a>
              )}
              {line.connected && !isLocked(screen) && screen !== "success" && (
                <button type="button" class="link" onClick={() => line.send({ type: "close", data: "user" })}>
                  {texts.cancel}
                </button>
              )}
            </span>
          </footer>
        </section>
      </main>
      <p class="visually-hidden" role="status" aria-live="polite">
        {announced(state, texts)}
      </p>
    </div>
  );
}

function toolsOn(screen: Checkout["screen"]): "shown" | "reserved" | "none" {
  if (screen === "ready") return "shown";
  return screen === "loading" || screen === "submitting" ? "reserved" : "none";
}

/** The form of one method. */
function MethodSection<Name extends Method>({ name, ...props }: { name: Name } & FormProps<Drafts[Name]>) {
  const { Form }: MethodForm<Drafts[Name]> = FORMS[name];
  return <Form {...props} />;
}

/** What a screen reader announces when the screen changes. */
function announced(state: Checkout, texts: Texts): string {
  const trouble = troubleOf(state, texts);
  if (trouble) return [`${trouble.title}.`, trouble.text, trouble.hint].join(" ").trim();
  switch (state.screen) {
    case "loading":
      return texts.loading;
    case "submitting":
      return texts.submitting;
    case "processing":
      return texts.processing;
    case "success":
    case "paid":
      return `${titleOf(state, texts)}. ${messageOf(state, texts)}`;
    default:
      return "";
  }
}
