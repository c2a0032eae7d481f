/** The form of each method. Its label and icon are in web-shared/methods.ts, its words in texts/. */
import type { Method } from "sdk/types";
import { CardForm } from "./sections/card-form.tsx";
import type { MethodForm } from "./sections/method-form.ts";
import { NetbankingForm } from "./sections/netbanking-form.tsx";
import { UpiForm } from "./sections/upi-form.tsx";
import {
  type BankText,
  type CardText,
  EMPTY_BANK,
  EMPTY_CARD,
  EMPTY_UPI,
  type Outcome,
  testBank,
  testCard,
  testUpi,
  type UpiText,
} from "./state/test-data.ts";

/** What the payer has typed so far. */
export interface Drafts {
  upi: UpiText;
  card: CardText;
  netbanking: BankText;
}

type Forms = { readonly [Name in Method]: MethodForm<Drafts[Name]> };

export const FORMS: Forms = {
  upi: {
    Form: UpiForm,
    empty: EMPTY_UPI,
    prefilled: ({ vpa }) => (vpa ? { vpa } : {}),
    testData: testUpi,
    kept: (draft) => draft,
  },
  card: {
    Form: CardForm,
    empty: EMPTY_CARD,
    prefilled: ({ name }) => (name ? { name } : {}),
    testData: testCard,
    kept: () => EMPTY_CARD,
  },
  netbanking: {
    Form: NetbankingForm,
    empty: EMPTY_BANK,
    prefilled: () => ({}),
    testData: testBank,
    kept: (draft) => draft,
  },
};

/** The chosen method where it can have this outcome, else the first of those offered that can. */
export function methodFor(outcome: Outcome, chosen: Method | null, year: number, offered: readonly Method[]): Method {
  const able = offered.filter((name) => FORMS[name].testData(outcome, year));
  return able.find((name) => name === chosen) ?? able[0] ?? offered[0] ?? "card";
}
