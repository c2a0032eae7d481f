/** Amounts as people type them in a search: rupees with up to two decimals, to integer minor units. No floats. */
import { inputToMinor, minorToInput } from "web-shared/format";

/** `1,500.5` → 150050; null where the text is no amount. */
export function rupeesToMinor(text: string): number | null {
  return inputToMinor(text);
}

/** 150050 → `1500.5`, 50000 → `500`: the shortest text that reads back as the same amount. */
export function minorToRupees(amountMinor: number): string {
  return minorToInput(amountMinor)
    .replace(/\.00$/, "")
    .replace(/(\.\d)0$/, "$1");
}
