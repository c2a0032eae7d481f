import { EVENT_KINDS } from "web-shared/events";

type Kind = (typeof EVENT_KINDS)[keyof typeof EVENT_KINDS];

function typesWhere(matches: (kind: Kind) => boolean): string[] {
  return Object.entries(EVENT_KINDS)
    .filter(([, kind]) => matches(kind))
    .map(([type]) => type);
}

/** What an endpoint can subscribe to. By default it gets USUAL_EVENTS. */
export const WEBHOOK_EVENTS: readonly string[] = typesWhere((kind) => kind.forMerchants);

export const USUAL_EVENTS: readonly string[] = typesWhere((kind) => kind.usual);
