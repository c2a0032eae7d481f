/**
 * The line to the page that opened us. Messages go to exactly one origin and are accepted only from that window.
 * Without an opener every call does nothing: the hosted page is on its own.
 */
import { accept, type FrameMessages, type Message, type PageMessages, post } from "sdk/messages";
import type { Place } from "../place.ts";

export interface ParentLine {
  readonly connected: boolean;
  send(message: Message<FrameMessages>): void;
  onInit(handle: (data: PageMessages["init"]) => void): void;
}

/** Listens from the start: the opener's init may arrive before the first subscriber. */
export function openLine(opener: Place["opener"], own: Window = window): ParentLine {
  const connected = opener !== null && own.parent !== own;
  let init: PageMessages["init"] | undefined;
  let deliver: ((data: PageMessages["init"]) => void) | undefined;
  const receive = (event: MessageEvent): void => {
    const message = opener && accept<PageMessages>(event, { ...opener, source: own.parent });
    if (message?.type !== "init") return;
    own.removeEventListener("message", receive); // one init an opening
    init = message.data;
    deliver?.(init);
  };
  if (connected) own.addEventListener("message", receive);
  return {
    connected,
    send(message) {
      if (connected && opener) post<FrameMessages>(own.parent, opener, message);
    },
    onInit(handle) {
      deliver = handle;
      if (init) handle(init);
    },
  };
}

/** Whether the page at this origin may open the checkout of that merchant. The frame's headers enforce the same. */
export function isAllowed(origin: string, allowed: readonly string[], testMode: boolean): boolean {
  return (testMode && allowed.length === 0) || allowed.includes(origin) || origin === location.origin;
}
