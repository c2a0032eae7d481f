/**
 * The current address: the address bar as a store. Plain `<a href>` elements are links; clicks on those that stay in
 * the dashboard are taken over here, all others (new tab, other host, download) are left to the browser.
 */
import { useEffect, useState } from "preact/hooks";

export interface Place {
  path: string;
  search: string;
  /** Grows with each movement, so that going to the same address again is noticed too. */
  visit: number;
}

/** Served beside the dashboard, as documents of their own: links to them leave it. */
const BESIDE = "/docs/";

type Listener = (place: Place) => void;

const listeners = new Set<Listener>();
let place: Place = { path: location.pathname, search: location.search, visit: 0 };

export function currentPlace(): Place {
  return place;
}

export function navigate(to: string, { replace = false } = {}): void {
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  update();
}

export function usePlace(): Place {
  const [seen, setSeen] = useState(place);
  useEffect(() => {
    listeners.add(setSeen);
    setSeen(place);
    return () => {
      listeners.delete(setSeen);
    };
  }, []);
  return seen;
}

/** Begin following links and the back button. Called once, at the start. */
export function startRouting(): void {
  window.addEventListener("popstate", update);
  document.addEventListener("click", (event) => {
    const target = internalTarget(event);
    if (target === null) return;
    event.preventDefault();
    navigate(target);
  });
}

function update(): void {
  place = { path: location.pathname, search: location.search, visit: place.visit + 1 };
  for (const listener of listeners) listener(place);
}

function internalTarget(event: MouseEvent): string | null {
  if (
    event.defaultPrevented ||
    event.button !== 0 ||
    event.metaKey ||
    event.ctrlKey ||
    event.shiftKey ||
    event.altKey
  ) {
    return null;
  }
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  if (link?.target !== "" || link.hasAttribute("download") || link.origin !== location.origin) return null;
  if (link.pathname.startsWith(BESIDE)) return null;
  if (link.pathname === location.pathname && link.hash !== "") return null;
  return link.pathname + link.search + link.hash;
}
