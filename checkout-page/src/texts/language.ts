/**
 * The available languages, and the chosen one for every component. Another one is a file of texts and its line here.
 */
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { en, type Texts } from "./en.ts";

/** Each language's own name. */
export const LANGUAGES = { en: "English", hi: "हिन्दी", ta: "தமிழ்" } as const;
export type Locale = keyof typeof LANGUAGES;
export const LOCALES = Object.keys(LANGUAGES) as Locale[];

/** Chunks of their own. */
const READERS: Partial<Record<Locale, () => Promise<{ default: Texts }>>> = {
  hi: () => import("./hi.ts"),
  ta: () => import("./ta.ts"),
};

/** `ta-IN` → `ta`; English for any other. */
export function localeOf(language: string): Locale {
  return LOCALES.find((known) => known === language.slice(0, 2)) ?? "en";
}

export const Language = createContext<Texts>(en);

export function useTexts(): Texts {
  return useContext(Language);
}

export async function readTexts(locale: Locale): Promise<Texts> {
  return (await READERS[locale]?.())?.default ?? en;
}
