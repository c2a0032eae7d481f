/**
 * Vite plugins that run over finished files: precompress them, list the scripts with their hashes, and end the build
 * if a file group exceeds its budget.
 *
 *   budget.json  [{"name": "checkout JavaScript", "files": "^assets/.*\\.js$", "maxGzipBytes": 21504}, …]
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import type { Plugin } from "vite";

export interface Budget {
  name: string;
  /** Regular expression on the path inside dist. */
  files: string;
  except?: string;
  maxGzipBytes: number;
}

const COMPRESSIBLE = /\.(?:js|mjs|css|html|svg|json|txt|ts)$/;

/** Write `.gz` and `.br` beside each text file of the folder. */
export function precompress(folder: string): void {
  for (const file of filesUnder(folder)) {
    if (!COMPRESSIBLE.test(file)) continue;
    const content = readFileSync(join(folder, file));
    writeFileSync(join(folder, `${file}.gz`), gzipSync(content, { level: 9 }));
    writeFileSync(
      join(folder, `${file}.br`),
      brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }),
    );
  }
}

/** Sizes of each group, gzip. Throws with one line for each group above its budget. */
export function checkBudget(folder: string, budgets: readonly Budget[]): string[] {
  const lines: string[] = [];
  const over: string[] = [];
  for (const budget of budgets) {
    const files = filesUnder(folder).filter(
      (file) => new RegExp(budget.files).test(file) && !(budget.except && new RegExp(budget.except).test(file)),
    );
    if (files.length === 0) over.push(`${budget.name}: no file matches ${budget.files}`);
    const bytes = files.reduce((sum, file) => sum + gzipSync(readFileSync(join(folder, file)), { level: 9 }).length, 0);
    const line = `${budget.name}: ${bytes} of ${budget.maxGzipBytes} bytes gzip`;
    lines.push(line);
    if (bytes > budget.maxGzipBytes) over.push(line);
  }
  if (over.length > 0) throw new Error(`Size budget exceeded\n${over.join("\n")}`);
  return lines;
}

/** `sha384-…` in the form of the `integrity` attribute. */
export function integrity(content: string | Uint8Array): string {
  return `sha384-${createHash("sha384").update(content).digest("base64")}`;
}

/** Each script of the folder with its hash: the only ones that may run on a page where cards are typed. */
export function scriptInventory(folder: string): { path: string; integrity: string; bytes: number }[] {
  return filesUnder(folder)
    .filter((file) => /\.m?js$/.test(file))
    .map((file) => {
      const content = readFileSync(join(folder, file));
      return { path: `/${file}`, integrity: integrity(content), bytes: content.length };
    });
}

/** The last step of a build: `finish` runs first, then sizes are checked and files compressed. */
export function finishBuild(folder: string, budgets: readonly Budget[], finish: (folder: string) => void): Plugin {
  return {
    name: "finish-build",
    apply: "build",
    enforce: "post",
    closeBundle: {
      sequential: true,
      order: "post",
      handler(error?: Error) {
        if (error) return; // the bundler reports it better
        finish(folder);
        for (const line of checkBudget(folder, budgets)) this.info(line);
        precompress(folder);
      },
    },
  };
}

/**
 * Makes `import("./chunk.ts")` the browser's own. Vite wraps it in a helper that preloads a chunk's style sheets; where
 * no lazy chunk has one, that is 660 bytes (gzip) for nothing.
 */
export function plainImports(): Plugin {
  return {
    name: "plain-imports",
    enforce: "pre",
    load: (id) => (id === "\0vite/preload-helper.js" ? "export const __vitePreload = (load) => load();" : undefined),
  };
}

export function filesUnder(folder: string, root = folder): string[] {
  return readdirSync(folder)
    .flatMap((name) => {
      const path = join(folder, name);
      return statSync(path).isDirectory() ? filesUnder(path, root) : [relative(root, path)];
    })
    .filter((file) => !/\.(?:gz|br)$/.test(file))
    .sort();
}
