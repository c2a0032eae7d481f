/** What a merchant's compiler reads: one file that stands alone. */
import { join } from "node:path";
import ts from "typescript";
import { expect, it } from "vitest";
import { declarations } from "./declarations.ts";

const text = declarations(join(import.meta.dirname, "src/types.ts"));

it("the declarations compile by themselves", () => {
  const host = ts.createCompilerHost({});
  const read = host.getSourceFile;
  host.getSourceFile = (name, ...rest) =>
    name === "gateway.d.mts" ? ts.createSourceFile(name, text, ts.ScriptTarget.ES2022) : read(name, ...rest);
  const program = ts.createProgram(
    ["gateway.d.mts"],
    { strict: true, noEmit: true, skipLibCheck: true, lib: ["lib.es2015.d.ts"], types: [] },
    host,
  );
  expect(ts.getPreEmitDiagnostics(program).map((found) => found.messageText)).toEqual([]);
}, 60_000); // it is TypeScript's own speed, on a busy machine

it("a payment is written out with the API's own fields", () => {
  expect(text).toMatch(/export type Payment = \{[^}]*amount_refunded: number;[\s\S]*?updated_at: string \| null;/);
  expect(text).not.toContain("import");
});
