/**
 * Types that docs/openapi.json does not define: pages of rows, the live feed's message, the page's own configuration.
 */
import type { Order, Payment, Refund } from "web-shared/wire";

/** Keyset page: `next_cursor` is opaque. */
export interface Page<Row> {
  data: Row[];
  has_more: boolean;
  next_cursor: string | null;
}

/** Offset page, the form of the delivery log. */
export interface OffsetPage<Row> {
  data: Row[];
  total: number;
  limit: number;
  offset: number;
}

export interface Listed<Row> {
  data: Row[];
}

/** A message of the live feed: the event's type, and the resource as the event left it. */
export interface Change {
  type: string;
  order?: Order;
  payment?: Payment;
  refund?: Refund;
}

export interface RuntimeConfig {
  api_url: string;
  checkout_url: string;
  test_mode: boolean;
}
