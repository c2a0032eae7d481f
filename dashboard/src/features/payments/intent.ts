/**
 * One key for one intent: a repeat after a lost response, with the same body, takes effect once. Another body is
 * another intent.
 */
import { newIdempotencyKey } from "../../api/client.ts";

export function keyOfIntent(): (body: object) => string {
  let last = "";
  let key = "";
  return (body) => {
    const text = JSON.stringify(body);
    if (key === "" || text !== last) key = newIdempotencyKey();
    last = text;
    return key;
  };
}
