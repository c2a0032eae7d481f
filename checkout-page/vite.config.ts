/** The hosted checkout: one document, one script, one style sheet, two lazy chunks. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vite";
import { finishBuild, integrity, plainImports, scriptInventory } from "../web-shared/build-plugins.ts";
import budgets from "./budget.json" with { type: "json" };
import { en, type Texts } from "./src/texts/en.ts";
import hi from "./src/texts/hi.ts";
import ta from "./src/texts/ta.ts";

const dist = join(import.meta.dirname, "dist");

/**
 * Puts the hash of script and style sheet into the document, so that only these bytes run, and lists every script. The
 * document shows what the script will draw first, in each language: index.html, index.hi.html, index.ta.html.
 */
function sealScripts(folder: string): void {
  const document = join(folder, "index.html");
  const sealed = readFileSync(document, "utf8").replace(
    /(?:src|href)="\/(assets\/[^"]+)"/g,
    (attribute, file: string) => `${attribute} integrity="${integrity(readFileSync(join(folder, file)))}"`,
  );
  writeFileSync(join(folder, "index.hi.html"), waiting(sealed, "hi", hi));
  writeFileSync(join(folder, "index.ta.html"), waiting(sealed, "ta", ta));
  writeFileSync(document, waiting(sealed, "en", en));
  writeFileSync(join(folder, "script-inventory.json"), `${JSON.stringify(scriptInventory(folder), null, 2)}\n`);
}

function waiting(document: string, language: string, texts: Texts): string {
  const longest = Object.values(texts.outcomes).reduce((one, other) => (other.length > one.length ? other : one));
  const shown: Record<string, string> = {
    'lang="en"': `lang="${language}"`,
    __AMOUNT_TO_PAY__: texts.amount_to_pay,
    __LOADING__: texts.loading,
    __NOT_STORED__: texts.not_stored,
    __ORDER__: texts.order,
    __OUTCOME__: longest,
    __TEST_FILL__: texts.test_fill,
    __TEST_TEXT__: texts.test_mode,
  };
  return Object.entries(shown).reduce((text, [before, after]) => text.replace(before, after), document);
}

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: dist,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    rolldownOptions: { output: { minify: true } },
  },
  plugins: [plainImports(), finishBuild(dist, budgets, sealScripts)],
});
