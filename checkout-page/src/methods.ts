/** The form of each method. Its label and icon are in web-shared/methods.ts, its texts in texts/. */
import type { Method } from "sdk/types";
import { CardForm } from "./sections/card-form.tsx";
import type { MethodForm } from "./sections/method-form.ts";
import { NetbankingForm } from "./sections/netbanking-form.tsx";
import { UpiForm } from "./sections/upi-form.tsx";
import { type Drafts, NO_DRAFTS } from "./state/drafts.ts";

type Forms = { readonly [Name in Method]: MethodForm<Drafts[Name]> };

export const FORMS: Forms = {
  upi: {
    Form: UpiForm,
    prefilled: ({ vpa }) => (vpa ? { vpa } : {}),
    kept: (draft) => draft,
  },
  card: {
    Form: CardForm,
    prefilled: ({ name }) => (name ? { name } : {}),
    kept: () => NO_DRAFTS.card,
  },
  netbanking: {
    Form: NetbankingForm,
    prefilled: () => ({}),
    kept: (draft) => draft,
  },
};
