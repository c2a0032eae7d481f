/** The overview's sentence about the audit. */
import { describe, expect, it } from "vitest";
import type { Audit } from "web-shared/wire";
import { auditSentence, differingOf } from "./audit-wording.ts";

const NOW = Date.parse("2026-11-29T12:00:00Z");
const CLEAN: Audit = {
  status: "ok",
  whole_audit_at: "2026-11-29T11:57:00.000000Z",
  recent_audit_at: null,
  differences: {},
  repair: {},
};

describe("the audit's sentence", () => {
  it("says how much differs and when everything was compared", () => {
    expect(auditSentence(CLEAN, NOW)).toBe("Audit: 0 differences, everything compared 3 minutes ago");
    const one: Audit = { ...CLEAN, status: "differences", differences: { reply: 1 } };
    expect(auditSentence(one, NOW)).toBe("Audit: 1 difference, everything compared 3 minutes ago");
    const more: Audit = { ...one, differences: { reply: 1, bank: 1_200 } };
    expect(auditSentence(more, NOW)).toBe("Audit: 1,201 differences, everything compared 3 minutes ago");
  });

  it("promises nothing before the first full audit, nor after one that is too old", () => {
    const never: Audit = { ...CLEAN, status: "never", whole_audit_at: null };
    expect(auditSentence(never, NOW)).toBe("Audit: no full comparison yet");
    const late: Audit = { ...CLEAN, status: "late", whole_audit_at: "2026-11-26T11:00:00.000000Z" };
    expect(auditSentence(late, NOW)).toBe("Audit: late, 0 differences when everything was last compared 3 days ago");
  });
});

describe("each kind of difference", () => {
  it("comes with its command, or with what to do where there is none", () => {
    const audit: Audit = {
      ...CLEAN,
      status: "differences",
      differences: { bank: 1, delivery_missing: 2 },
      repair: {
        bank: "no command: money is decided by people",
        delivery_missing: "gateway repair delivery_missing --apply",
      },
    };
    expect(differingOf(audit)).toEqual([
      { kind: "bank", text: "1 × bank", command: null, advice: "money is decided by people" },
      {
        kind: "delivery_missing",
        text: "2 × delivery missing",
        command: "gateway repair delivery_missing --apply",
        advice: null,
      },
    ]);
  });

  it("that this version does not know is left to gateway verify", () => {
    const audit: Audit = { ...CLEAN, status: "differences", differences: { future: 1 } };
    expect(differingOf(audit)[0]?.advice).toBe("run gateway verify");
  });
});
