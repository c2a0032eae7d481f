/** Amounts as people type them in a search, to integer minor units of a currency. No floats. */
import { inputToMinor, minorToInput } from "web-shared/format";

/** `1,500.5` → 150050 paise; null if the text is not an amount of the currency. */
export function typedToMinor(text: string, currency: string): number | null {
  return inputToMinor(text, currency);
}

/** 150050 paise → `1500.5`, 50000 → `500`: the shortest text that reads back as the same amount. */
export function minorToTyped(amountMinor: number, currency: string): string {
  return minorToInput(amountMinor, currency)
    .replace(/\.0+$/, "")
    .replace(/(\.\d*?)0+$/, "$1");
}
