/**
 * One entry, one lazy chunk for each page. The build ends where the first route or any lazy chunk is over budget.json,
 * and leaves `script-inventory.json`: each script with its hash.
 *
 * `vite dev` and `vite preview` take `DASHBOARD_CONFIG` (the JSON of /config.json) for looking at the pages alone.
 */
import { writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Connect, Plugin } from "vite";
import { defineConfig } from "vitest/config";
import { type Budget, checkBudget, filesUnder, finishBuild, scriptInventory } from "../web-shared/build-plugins.ts";
import budget from "./budget.json" with { type: "json" };

const dist = join(import.meta.dirname, "dist");

function lazyChunkBudgets(folder: string): Budget[] {
  const { files, maxGzipBytes } = budget.eachLazyChunk;
  return filesUnder(folder)
    .filter((file) => new RegExp(files).test(file))
    .map((file) => ({ name: file, files: `^${file.replaceAll(".", "\\.")}$`, maxGzipBytes }));
}

function finish(folder: string): void {
  checkBudget(folder, lazyChunkBudgets(folder));
  writeFileSync(join(folder, "script-inventory.json"), `${JSON.stringify(scriptInventory(folder), null, 2)}\n`);
}

const serveConfig: Connect.NextHandleFunction = (request, response, next) => {
  if (request.url !== "/config.json") return next();
  response.setHeader("Content-Type", "application/json");
  response.end(process.env.DASHBOARD_CONFIG ?? "{}");
};

const configForLooking: Plugin = {
  name: "config-for-looking",
  configureServer: (server) => void server.middlewares.use(serveConfig),
  configurePreviewServer: (server) => void server.middlewares.use(serveConfig),
};

/** `…/features/overview/page.tsx` → `overview`: every page's file has the same name. */
function featureOf(entry: string | null): string {
  return basename(dirname(entry ?? ""));
}

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: dist,
    target: "es2022",
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        entryFileNames: "assets/first-[hash].js",
        // Code that several pages share is one file, not twenty of half a kilobyte.
        codeSplitting: { groups: [{ name: "base", test: /src\/(api|list|live|query|router|session|ui)\// }] },
        chunkFileNames: (chunk) =>
          chunk.isDynamicEntry
            ? `assets/page-${featureOf(chunk.facadeModuleId)}-[hash].js`
            : "assets/shared-[name]-[hash].js",
      },
    },
  },
  plugins: [configForLooking, finishBuild(dist, budget.groups, finish)],
  test: { environment: "happy-dom", include: ["src/**/*.test.{ts,tsx}"], isolate: false, maxWorkers: 1 },
});
