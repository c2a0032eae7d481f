/**
 * The merchant's live feed: state of the connection as a reducer, and when to try again. The feed only hints at what
 * changed; after a gap the lists are fetched again, so nothing depends on a missed message.
 */

export type FeedState = "connecting" | "live" | "interrupted" | "paused";

export type FeedAction = { type: "opened" } | { type: "lost" } | { type: "hidden" } | { type: "shown" };

export function reduceFeed(state: FeedState, action: FeedAction): FeedState {
  switch (action.type) {
    case "opened":
      return "live";
    case "lost":
      return state === "paused" ? "paused" : "interrupted";
    case "hidden":
      return "paused";
    case "shown":
      return state === "paused" ? "connecting" : state;
  }
}

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;

/** Doubling delays up to 15 s, spread by ±25 % so that many tabs do not come back at the same moment. */
export function reconnectDelayMs(failures: number, random: number): number {
  const base = Math.min(FIRST_DELAY_MS * 2 ** Math.min(failures, 10), LONGEST_DELAY_MS);
  return Math.round(base * (0.75 + random / 2));
}
