/** The filter of the delivery log, in the forms of the address and of the API. */

import type { DeliveryStatus } from "web-shared/wire";
import type { Query } from "../../api/client.ts";

export const DELIVERY_STATUSES: readonly DeliveryStatus[] = ["pending", "success", "failed", "held"];

export interface DeliveryFilters {
  status: DeliveryStatus | null;
  event: string | null;
  endpointId: string | null;
  paymentId: string | null;
}

export function deliveryFiltersOf(search: string): DeliveryFilters {
  const given = new URLSearchParams(search);
  return {
    status: DELIVERY_STATUSES.find((status) => status === given.get("status")) ?? null,
    event: given.get("event") || null,
    endpointId: given.get("endpoint_id") || null,
    paymentId: given.get("payment_id") || null,
  };
}

/** The API's names; also the body of a bulk retry. */
export function deliveryQuery(filters: DeliveryFilters): Query {
  return {
    status: filters.status,
    event: filters.event,
    endpoint_id: filters.endpointId,
    payment_id: filters.paymentId,
  };
}

export function isDeliveryFiltered(filters: DeliveryFilters): boolean {
  return Object.values(filters).some((value) => value !== null);
}
