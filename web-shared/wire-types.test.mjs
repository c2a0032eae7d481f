/** The generated wire types are those of docs/openapi.json. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { GENERATED, wireTypes } from "./wire-types.mjs";

it("wire.gen.ts is up to date (write it anew: gateway pages types)", async () => {
  expect(readFileSync(GENERATED, "utf8") === (await wireTypes())).toBe(true);
});
