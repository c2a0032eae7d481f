/** The hosted checkout: one document, one script, one style sheet, two lazy chunks. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vite";
import { finishBuild, integrity, scriptInventory } from "../web-shared/build-plugins.ts";
import budgets from "./budget.json" with { type: "json" };

const dist = join(import.meta.dirname, "dist");

/** Puts the hash of script and style sheet into the document, so that only these bytes run, and lists every script. */
function sealScripts(folder: string): void {
  const document = join(folder, "index.html");
  const sealed = readFileSync(document, "utf8").replace(
    /(?:src|href)="\/(assets\/[^"]+)"/g,
    (attribute, file: string) => `${attribute} integrity="${integrity(readFileSync(join(folder, file)))}"`,
  );
  writeFileSync(document, sealed);
  writeFileSync(join(folder, "script-inventory.json"), `${JSON.stringify(scriptInventory(folder), null, 2)}\n`);
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
  plugins: [finishBuild(dist, budgets, sealScripts)],
});
