/**
 * What the address contains about this opening.
 *
 *   /checkout?order_id=order_…&embedded=true&theme=dark&locale=hi#<nonce>~<origin of the page that opened it>
 *
 * It never contains personal data. The part behind # never leaves the browser.
 */
import { type Locale, localeOf } from "./texts/language.ts";

export interface Place {
  orderId: string;
  theme: "light" | "dark" | null;
  locale: Locale;
  embedded: boolean;
  /** Test mode: by the document until the order is loaded. */
  testMode: boolean;
  /** The SDK's opening; null if the page was not opened by the SDK. */
  opener: { nonce: string; origin: string } | null;
}

export function readPlace(href: string, languages: readonly string[] = [], testMode = false): Place {
  const url = new URL(href);
  const query = url.searchParams;
  const theme = query.get("theme");
  return {
    orderId: query.get("order_id") ?? "",
    theme: theme === "light" || theme === "dark" ? theme : null,
    locale: localeOf(query.get("locale") ?? languages[0] ?? ""),
    embedded: query.get("embedded") === "true",
    testMode,
    opener: readOpener(url.hash.slice(1)),
  };
}

function readOpener(text: string): Place["opener"] {
  const [nonce, origin] = text.split("~");
  if (!nonce || !origin || !URL.canParse(origin) || new URL(origin).origin !== origin) return null;
  return { nonce, origin };
}
