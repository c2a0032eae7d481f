/** The message guard: nothing that a hostile page or frame sends counts. */
import { describe, expect, it, vi } from "vitest";
import { accept, type FrameMessages, post } from "./messages.ts";

const ORIGIN = "https://pay.example";
const NONCE = "11-22-33-44";
const frame = { name: "the frame" } as unknown as Window;
const stranger = { name: "another window" } as unknown as Window;
const peer = { origin: ORIGIN, source: frame, nonce: NONCE };
const GENUINE = { gw: 1, nonce: NONCE, type: "success", data: { id: "pay_A" } };

function event(data: unknown, origin = ORIGIN, source: unknown = frame): MessageEvent {
  return { data, origin, source } as MessageEvent;
}

const FORGED: ReadonlyArray<readonly [string, MessageEvent]> = [
  ["another origin", event(GENUINE, "https://evil.example")],
  ["the same host over http", event(GENUINE, "http://pay.example")],
  ["another port", event(GENUINE, "https://pay.example:8443")],
  ["a host that begins with ours", event(GENUINE, "https://pay.example.evil.example")],
  ["a host that ends with ours", event(GENUINE, "https://evil-pay.example")],
  ["an origin with a trailing slash", event(GENUINE, `${ORIGIN}/`)],
  ["an opaque origin", event(GENUINE, "null")],
  ["no origin", event(GENUINE, "")],
  ["another window of our origin", event(GENUINE, ORIGIN, stranger)],
  ["no window", event(GENUINE, ORIGIN, null)],
  ["another window and another origin", event(GENUINE, "https://evil.example", stranger)],
  ["another nonce", event({ ...GENUINE, nonce: "55-66-77-88" })],
  ["the nonce of the opening before (a replay)", event({ ...GENUINE, nonce: "11-22-33-43" })],
  ["a nonce that begins with ours", event({ ...GENUINE, nonce: `${NONCE}0` })],
  ["no nonce", event({ gw: 1, type: "success", data: { id: "pay_A" } })],
  ["a nonce that is an array", event({ ...GENUINE, nonce: [NONCE] })],
  ["another version", event({ ...GENUINE, gw: 2 })],
  ["the version as text", event({ ...GENUINE, gw: "1" })],
  ["no version", event({ nonce: NONCE, type: "success", data: {} })],
  ["no type", event({ gw: 1, nonce: NONCE, data: {} })],
  ["a type that is an object", event({ ...GENUINE, type: { toString: () => "success" } })],
  ["text", event(JSON.stringify(GENUINE))],
  ["nothing", event(null)],
  ["undefined", event(undefined)],
  ["a number", event(1)],
  ["an array", event([GENUINE])],
];

describe("a forged message", () => {
  it.each(FORGED)("with %s is not accepted", (_, forged) => {
    expect(accept<FrameMessages>(forged, peer)).toBeUndefined();
  });

  it("was tried in at least 20 ways", () => {
    expect(FORGED.length).toBeGreaterThanOrEqual(20);
  });

  it("is not accepted before there is a frame either", () => {
    expect(accept(event(GENUINE, ORIGIN, undefined), { ...peer, source: undefined })).toBeUndefined();
    expect(accept(event(GENUINE, ORIGIN, null), { ...peer, source: null })).toBeUndefined();
  });
});

it("accepts the genuine message", () => {
  expect(accept<FrameMessages>(event(GENUINE), peer)).toBe(GENUINE);
});

it("posts to exactly one origin, never to any", () => {
  const target = { postMessage: vi.fn() } as unknown as Window;
  post<FrameMessages>(target, peer, { type: "close", data: "user" });
  expect(target.postMessage).toHaveBeenCalledExactlyOnceWith(
    { gw: 1, nonce: NONCE, type: "close", data: "user" },
    ORIGIN,
  );
});
