/** Which clicks the dashboard takes over. */
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { currentPlace, startRouting } from "./place.ts";

beforeAll(startRouting);
afterEach(() => document.body.replaceChildren());

function click(href: string): MouseEvent {
  const link = document.createElement("a");
  link.href = href;
  document.body.append(link);
  const event = new MouseEvent("click", { bubbles: true, cancelable: true, button: 0 });
  link.dispatchEvent(event);
  return event;
}

describe("a click on a link", () => {
  it("is followed without leaving the dashboard where it leads to a page of it", () => {
    expect(click("/dashboard/docs").defaultPrevented).toBe(true);
    expect(currentPlace().path).toBe("/dashboard/docs");
  });

  it("is left to the browser where it leads to the guide or to another host", () => {
    const before = currentPlace();
    // happy-dom would follow links that no handler prevents
    const stay = (event: Event) => event.preventDefault();
    window.addEventListener("click", stay);
    for (const href of ["/docs/", "http://elsewhere.example/docs"]) click(href);
    window.removeEventListener("click", stay);
    expect(currentPlace()).toBe(before);
  });
});
