/** One tone for each status word of the API, the same on every page. */

export type Tone = "ok" | "bad" | "wait" | "calm";

const TONES: Readonly<Record<string, Tone>> = {
  success: "ok",
  processed: "ok",
  paid: "ok",
  delivered: "ok",
  active: "ok",
  done: "ok",
  failed: "bad",
  revoked: "bad",
  dead: "bad",
  created: "wait",
  processing: "wait",
  pending: "wait",
  waiting: "wait",
  held: "calm",
  paused: "calm",
  expired: "calm",
};

export function toneOf(status: string): Tone {
  return TONES[status.toLowerCase()] ?? "calm";
}

/** The kind of response that an HTTP status is. */
export function toneOfResponse(code: number | null): Tone {
  if (code === null) return "calm";
  return code >= 200 && code < 300 ? "ok" : "bad";
}
