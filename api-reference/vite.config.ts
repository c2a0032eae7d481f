/** Swagger UI as one script and one style sheet, served by the API under /docs. */
import { join } from "node:path";
import { defineConfig } from "vite";
import { finishBuild } from "../web-shared/build-plugins.ts";
import budgets from "./budget.json" with { type: "json" };

const dist = join(import.meta.dirname, "dist");

export default defineConfig({
  base: "/docs/",
  build: {
    outDir: dist,
    target: "es2022",
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1_600,
    modulePreload: { polyfill: false },
  },
  plugins: [finishBuild(dist, budgets, () => {})],
});
