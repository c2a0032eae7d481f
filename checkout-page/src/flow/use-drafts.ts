/** What was typed into the forms. Card data is wiped with every response, and when the page is left. */

import { useEffect, useState } from "preact/hooks";
import type { Method, Prefill } from "sdk/types";
import { METHOD_NAMES } from "web-shared/methods";
import { FORMS } from "../methods.ts";
import type { Checkout } from "../state/checkout.ts";
import { type Drafts, NO_DRAFTS } from "../state/drafts.ts";

export interface DraftsInHand {
  drafts: Drafts;
  change<Name extends Method>(name: Name, part: Partial<Drafts[Name]>): void;
  prefill(prefill: Prefill): void;
}

export function useDrafts({ screen }: Checkout): DraftsInHand {
  const [drafts, setDrafts] = useState(NO_DRAFTS);
  const change: DraftsInHand["change"] = (name, part) => setDrafts((before) => changed(before, name, part));
  const wipe = (): void => setDrafts((before) => METHOD_NAMES.reduce(wiped, before));
  const decided = screen !== "ready" && screen !== "submitting";
  useEffect(() => {
    if (decided) wipe();
  }, [decided]);
  useEffect(() => {
    addEventListener("pagehide", wipe);
    return () => removeEventListener("pagehide", wipe);
  }, []);
  const prefill = (given: Prefill): void => {
    for (const name of METHOD_NAMES) change(name, FORMS[name].prefilled(given));
  };
  return { drafts, change, prefill };
}

function changed<Name extends Method>(drafts: Drafts, name: Name, part: Partial<Drafts[Name]>): Drafts {
  return { ...drafts, [name]: { ...drafts[name], ...part } };
}

function wiped<Name extends Method>(drafts: Drafts, name: Name): Drafts {
  return { ...drafts, [name]: FORMS[name].kept(drafts[name]) };
}
