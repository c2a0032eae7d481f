/**
 * The way back to the shop if this page fills the window: an address that the API has signed, opened automatically a
 * moment after success.
 *
 * Once for each payment: whoever presses Back in the shop is not thrown out of here again. Where the browser forbids to
 * remember that, there is only the button.
 */
import { useEffect, useState } from "preact/hooks";
import type { Place } from "../place.ts";
import type { Checkout } from "../state/checkout.ts";
import { sessionStorageOrNull } from "./attempt.ts";
import type { ParentLine } from "./parent.ts";

/** Long enough to read the result; any key or touch stops it. */
export const RETURN_MS = 3_500;

/** Where a payer can go now; null inside another page, which has its own way. */
export function shopOf({ order }: Checkout, { embedded }: Place, { connected }: ParentLine): string | null {
  const url = order?.return_to?.url ?? order?.return_url;
  return url && /^https?:/.test(url) && !embedded && !connected ? url : null;
}

/** Whether the payer is about to be led to `shop`. */
export function useReturn(shop: string | null, { screen, order, payment }: Checkout): boolean {
  const signed = order?.return_to?.payment_id === payment?.id && order?.return_to?.status === "SUCCESS";
  return useLeaving(screen === "success" && signed && firstTime(`returned ${payment?.id}`), () => {
    sessionStorageOrNull()?.setItem(`returned ${payment?.id}`, "yes");
    location.assign(shop ?? "");
  });
}

function firstTime(name: string): boolean {
  return sessionStorageOrNull()?.getItem(name) === null;
}

/** True while `leave` is ahead: in a moment, unless the payer touches anything. */
export function useLeaving(enabled: boolean, leave: () => void): boolean {
  const [leaving, setLeaving] = useState(false);
  useEffect(() => {
    if (!enabled) return;
    const stop = (): void => {
      setLeaving(false);
      clearTimeout(timer);
      for (const type of ["keydown", "pointerdown"]) removeEventListener(type, stop);
    };
    const timer = setTimeout(leave, RETURN_MS);
    for (const type of ["keydown", "pointerdown"]) addEventListener(type, stop);
    setLeaving(true);
    return stop;
  }, [enabled]);
  return leaving;
}
