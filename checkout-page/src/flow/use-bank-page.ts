/**
 * Leads the payer on to the bank's page, once, if the payment that was just made needs it.
 *
 *   full page   the bank's page takes the place of this one, and leads back to it
 *   in a frame  no bank may be framed: the payer follows the link, which opens a tab; this page keeps waiting
 *
 * A page that was loaded or restored (back button, another tab) only shows the link, or nobody could go back.
 */
import { useEffect, useRef } from "preact/hooks";
import type { Place } from "../place.ts";
import { bankPageOf, type Checkout } from "../state/checkout.ts";
import type { ParentLine } from "./parent.ts";

export function useBankPage(state: Checkout, { embedded }: Place, { connected }: ParentLine): void {
  const submitted = useRef(false);
  const url = bankPageOf(state);
  useEffect(() => {
    if (state.screen === "submitting") submitted.current = true;
  }, [state.screen]);
  useEffect(() => {
    if (!url || !submitted.current || embedded || connected) return;
    submitted.current = false;
    location.assign(url);
  }, [url, embedded, connected]);
}
