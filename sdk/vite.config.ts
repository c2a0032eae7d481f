/**
 * Three builds of one source: `gateway.js` (a classic script), with `--mode razorpay` the double's `razorpay.js`, and with
 * `--mode module` `gateway.mjs`. The last one also writes the versioned copies, `sri.json` and the types.
 */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vite";
import { finishBuild, integrity } from "../web-shared/build-plugins.ts";
import budgets from "./budget.json" with { type: "json" };
import { declarations } from "./declarations.ts";
import sdk from "./package.json" with { type: "json" };

const { version } = sdk;
const dist = join(import.meta.dirname, "dist");

function publish(folder: string): void {
  const copies = join(folder, "v1", version);
  mkdirSync(copies, { recursive: true });
  const files: Record<string, string> = {};
  for (const name of ["gateway.js", "gateway.mjs"]) {
    copyFileSync(join(folder, name), join(copies, name));
    files[`/v1/${version}/${name}`] = integrity(readFileSync(join(folder, name)));
  }
  writeFileSync(join(folder, "sri.json"), `${JSON.stringify({ version, files }, null, 2)}\n`);
  writeFileSync(join(folder, "gateway.d.mts"), declarations(join(import.meta.dirname, "src/types.ts")));
}

export default defineConfig(({ mode }) => {
  const asModule = mode === "module";
  const classic = mode === "razorpay" ? "razorpay" : "gateway";
  return {
    define: { __VERSION__: JSON.stringify(version) },
    build: {
      outDir: dist,
      emptyOutDir: !asModule && classic === "gateway",
      target: "es2022",
      rolldownOptions: { output: { minify: true } },
      lib: {
        entry: asModule ? "src/module.ts" : classic === "gateway" ? "src/global.ts" : "src/razorpay.ts",
        name: "gatewayLoader",
        formats: [asModule ? "es" : "iife"],
        fileName: () => (asModule ? "gateway.mjs" : `${classic}.js`),
      },
    },
    plugins: asModule ? [finishBuild(dist, budgets, publish)] : [],
  };
});
