import { describe, expect, it } from "vitest";
import { parseHeaders } from "./headers.ts";

describe("an endpoint's own headers as text", () => {
  it("reads one a line, and leaves out empty lines and the space around", () => {
    expect(parseHeaders("X-Tenant: 42\n\n  Authorization :  Bearer a:b  \n")).toEqual({
      headers: { "X-Tenant": "42", Authorization: "Bearer a:b" },
    });
    expect(parseHeaders("")).toEqual({ headers: {} });
  });

  it("names the line that is not a header", () => {
    expect(parseHeaders("X-Tenant: 42\nnothing")).toEqual({ problem: 'Line 2 must have the form "Name: value"' });
    expect(parseHeaders(": 42")).toEqual({ problem: 'Line 1 must have the form "Name: value"' });
    expect(parseHeaders("X-A: 1\nx-a: 2")).toEqual({ problem: "Line 2: x-a appears twice" });
  });
});
