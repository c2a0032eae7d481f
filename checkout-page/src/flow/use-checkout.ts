/**
 * Everything that moves the checkout: loading and reloading the order, paying, following the payment, and notifying the
 * page that opened us. Components get the state and the actions.
 */
import { useCallback, useEffect, useMemo, useReducer, useRef } from "preact/hooks";
import type { Method } from "sdk/types";
import type { Place } from "../place.ts";
import { type Checkout, isLeft, isLocked, reduce, START } from "../state/checkout.ts";
import { type Api, CallFailed, type Instrument, type Order } from "./api.ts";
import { attemptsOf, sessionStorageOrNull } from "./attempt.ts";
import { follow } from "./follow.ts";
import { isAllowed, type ParentLine } from "./parent.ts";
import { payAttempt } from "./pay.ts";
import { fieldProblemOf, movedOn } from "./refusal.ts";
import { useBankPage } from "./use-bank-page.ts";
import { useReport } from "./use-report.ts";

export interface CheckoutFlow {
  state: Checkout;
  choose(method: Method): void;
  /** Does nothing while an attempt runs. */
  pay(instrument: Instrument): void;
  retry(): void;
  /** Leave the attempt that waits, for another way to pay. */
  leave(): void;
  /** Test mode: decide in the payer's UPI app. */
  decide(approved: boolean): void;
  reload(): void;
}

/** How often an order that waits for its payer is read: its shop may cancel it. */
const LOOK_MS = 30_000;
const RELOAD_MS_FIRST = 1_500;
const RELOAD_MS_MAX = 10_000;

export function useCheckout(api: Api, place: Place, line: ParentLine): CheckoutFlow {
  const [state, dispatch] = useReducer(reduce, START);
  const attempts = useMemo(() => attemptsOf(place.orderId, sessionStorageOrNull()), [place.orderId]);
  const paying = useRef(false);

  const load = useCallback(async () => {
    try {
      const order = await knownOrder(api, place);
      attempts.saw(order.payment?.id);
      dispatch({ type: "loaded", order, ownPaymentId: attempts.current()?.payment_id ?? null, now: Date.now() });
    } catch (error) {
      dispatch({ type: "load_failed", screen: screenOf(error) });
    }
  }, [api, place, attempts]);

  const pay = useCallback(
    async (instrument: Instrument) => {
      if (paying.current) return;
      paying.current = true;
      dispatch({ type: "submit" });
      line.send({ type: "submit", data: { method: instrument.method } });
      try {
        const payment = await payAttempt(api, place.orderId, instrument, attempts);
        attempts.became(payment.id);
        dispatch({ type: "accepted", payment });
      } catch (error) {
        if (!(error instanceof CallFailed)) throw error;
        await refused(error);
      } finally {
        paying.current = false;
      }
    },
    [api, place, line, attempts],
  );

  const refused = async (failure: CallFailed): Promise<void> => {
    const problem = fieldProblemOf(failure);
    if (problem) return dispatch({ type: "rejected", problem });
    if (await overtaken(api, place.orderId, failure)) {
      dispatch({ type: "overtaken" });
      return load();
    }
    const unknown = failure.kind !== "refused";
    dispatch({
      type: "stopped",
      problem: { code: failure.code || failure.kind, text: failure.description, retryable: unknown },
    });
  };

  const retry = useCallback(() => {
    if (state.payment) attempts.end();
    dispatch({ type: "retry" });
  }, [state.payment, attempts]);

  const latest = useRef(state.payment);
  latest.current = state.payment;
  const leave = useCallback(async () => {
    const payment = latest.current;
    if (!payment) return;
    dispatch({ type: "leave" });
    try {
      await api.leave(payment.id);
    } catch {
      dispatch({ type: "stay", payment }); // the button is back
    }
  }, [api]);
  const decide = useCallback(
    (approved: boolean) => {
      // Whatever the response, the payment is followed.
      if (latest.current) api.decide(latest.current.id, approved).catch(() => {});
    },
    [api],
  );

  useLoading(state, load);
  useLooking(state, load);
  useConnection((online) => dispatch({ type: "connection", online }));
  useEffect(() => {
    if (state.screen !== "processing" || !state.payment) return;
    return follow(api, state.payment.id, (payment) => {
      // The next press is another attempt.
      if (isLeft(latest.current, payment)) attempts.end();
      dispatch({ type: "status", payment });
    });
  }, [api, attempts, state.screen, state.payment?.id]);
  useEffect(() => {
    if (!state.order?.expires_at) return;
    const left = Date.parse(state.order.expires_at) - Date.now();
    const timer = setTimeout(() => dispatch({ type: "expire" }), Math.min(Math.max(left, 0), 2 ** 31 - 1));
    return () => clearTimeout(timer);
  }, [state.order?.expires_at]);
  useReport(state, line);
  useBankPage(state, place, line);

  return {
    state,
    choose: useCallback((method) => dispatch({ type: "choose", method }), []),
    pay: useCallback((instrument) => void pay(instrument), [pay]),
    retry,
    leave: useCallback(() => void leave(), [leave]),
    decide,
    reload: useCallback(() => void load(), [load]),
  };
}

/** The order, if this page's opener may show it. */
async function knownOrder(api: Api, { orderId, opener }: Place): Promise<Order> {
  if (!orderId) throw new CallFailed("refused", 404);
  const order = await api.order(orderId);
  if (opener && !isAllowed(opener.origin, order.allowed_origins, order.test_mode)) throw new CallFailed("refused", 403);
  return order;
}

function screenOf(error: unknown): "not_found" | "refused" | "offline" | "server_down" {
  if (!(error instanceof CallFailed) || error.kind === "unreachable" || error.kind === "busy") return "server_down";
  if (error.kind === "offline") return "offline";
  return error.status === 403 || error.status === 401 ? "refused" : "not_found";
}

/** True if the server has a payment of this order that the page does not have yet. */
async function overtaken(api: Api, orderId: string, failure: CallFailed): Promise<boolean> {
  if (failure.kind !== "refused") return false;
  try {
    return movedOn(await api.order(orderId));
  } catch {
    return false;
  }
}

/** Load at the start, whenever the page is shown again, and until a lost server or network is back. */
function useLoading(state: Checkout, load: () => Promise<void>): void {
  useEffect(() => void load(), [load]);
  useEffect(() => {
    const shown = (event: PageTransitionEvent): void => {
      if (event.persisted) void load();
    };
    const visible = (): void => {
      if (!document.hidden && !isLocked(state.screen)) void load();
    };
    addEventListener("pageshow", shown);
    document.addEventListener("visibilitychange", visible);
    return () => {
      removeEventListener("pageshow", shown);
      document.removeEventListener("visibilitychange", visible);
    };
  }, [load, state.screen]);
  useEffect(() => {
    if (state.screen !== "offline" && state.screen !== "server_down") return;
    let timer: ReturnType<typeof setTimeout>;
    const again = (delayMs: number): void => {
      timer = setTimeout(
        () => {
          void load();
          again(Math.min(delayMs * 2, RELOAD_MS_MAX));
        },
        delayMs * (0.8 + 0.4 * Math.random()),
      );
    };
    again(RELOAD_MS_FIRST);
    addEventListener("online", load);
    return () => {
      removeEventListener("online", load);
      clearTimeout(timer);
    };
  }, [load, state.screen]);
}

/**
 * Read an order again that may end while it is open, and at once if its payment was decided here: after a
 * failure it may be over, and where the payer goes back to a shop, only now its way there is signed.
 */
function useLooking({ screen, payment, order }: Checkout, load: () => Promise<void>): void {
  const unsigned = screen === "success" && Boolean(order?.return_url) && order?.return_to?.payment_id !== payment?.id;
  useEffect(() => {
    if (unsigned) void load();
  }, [unsigned, load]);
  useEffect(() => {
    if (screen !== "ready" && screen !== "failed") return;
    if (screen === "failed" && payment) void load();
    const timer = setInterval(() => document.hidden || void load(), LOOK_MS);
    return () => clearInterval(timer);
  }, [screen, payment?.id, load]);
}

function useConnection(onChange: (online: boolean) => void): void {
  useEffect(() => {
    const changed = (): void => onChange(navigator.onLine);
    changed();
    addEventListener("online", changed);
    addEventListener("offline", changed);
    return () => {
      removeEventListener("online", changed);
      removeEventListener("offline", changed);
    };
  }, []);
}
