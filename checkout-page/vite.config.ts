/** The hosted checkout: one document, one script, one style sheet, two lazy chunks. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";
import { finishBuild, integrity, scriptInventory } from "../web-shared/build-plugins.ts";
import budgets from "./budget.json" with { type: "json" };

const dist = join(import.meta.dirname, "dist");

function writeInventory(folder: string): void {
  writeFileSync(join(folder, "script-inventory.json"), `${JSON.stringify(scriptInventory(folder), null, 2)}\n`);
}

/** Puts the hash of each script and style sheet into the document, so that only these bytes run. */
function withIntegrity(): Plugin {
  return {
    name: "with-integrity",
    apply: "build",
    enforce: "post",
    transformIndexHtml: {
      order: "post",
      handler: (html, { bundle }) =>
        html.replace(/(?:src|href)="\/(assets\/[^"]+)"/g, (attribute, file: string) => {
          const made = bundle?.[file];
          if (!made) return attribute;
          return `${attribute} integrity="${integrity(made.type === "chunk" ? made.code : made.source)}"`;
        }),
    },
  };
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
  plugins: [withIntegrity(), finishBuild(dist, budgets, writeInventory)],
  test: { environment: "happy-dom" },
});
