/** Reports to the page that opened us what happened here: each fact once. */
import { useEffect, useRef } from "preact/hooks";
import type { CheckoutState, ErrorCode } from "sdk/types";
import { type Checkout, isLocked } from "../state/checkout.ts";
import type { ParentLine } from "./parent.ts";

/** Screens that can no longer lead to a payment. */
const FATAL: Readonly<Partial<Record<CheckoutState, readonly [ErrorCode, string]>>> = {
  expired: ["order_expired", "The order has expired or was cancelled"],
  paid: ["order_paid", "The order is already paid"],
  not_found: ["invalid_options", "The order does not exist"],
  refused: ["origin_not_allowed", "This page is not allowed to open the merchant's checkout"],
};

export function useReport(state: Checkout, line: ParentLine): void {
  const reported = useRef(new Set<string>());
  const once = (fact: string, report: () => void): void => {
    if (reported.current.has(fact)) return;
    reported.current.add(fact);
    report();
  };
  useEffect(() => {
    const { screen, payment, problem } = state;
    line.send({ type: "status", data: { state: screen, locked: isLocked(screen) } });
    if (screen === "success" && payment)
      once(`success ${payment.id}`, () => line.send({ type: "success", data: payment }));
    if (screen === "failed" && payment && problem)
      once(`failure ${payment.id}`, () =>
        line.send({
          type: "failure",
          data: { code: problem.code, message: problem.text, retryable: problem.retryable, payment },
        }),
      );
    const fatal = FATAL[screen];
    if (fatal)
      once(screen, () => line.send({ type: "error", data: { code: fatal[0], message: fatal[1], retryable: false } }));
  }, [state.screen, state.payment?.id, line]);
}
