/** The chosen language, for every component. */
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { en, type Texts } from "./en.ts";

export const Language = createContext<Texts>(en);

export function useTexts(): Texts {
  return useContext(Language);
}

export async function readTexts(locale: "en" | "hi"): Promise<Texts> {
  return locale === "hi" ? (await import("./hi.ts")).hi : en;
}
