/**
 * Keys that work anywhere but in a field: `/` to the search, `?` help, `j` and `k` along the rows of the list.
 * Enter needs no code: each row's first link has the focus.
 */
import { useEffect, useRef } from "preact/hooks";

export interface Shortcuts {
  onHelp: () => void;
}

const FIELDS = "input, textarea, select, [contenteditable]";

export function useShortcuts(shortcuts: Shortcuts): void {
  const latest = useRef(shortcuts);
  latest.current = shortcuts;
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (!isForUs(event)) return;
      if (act(event.key, latest.current)) event.preventDefault();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, []);
}

function isForUs(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || event.metaKey || event.ctrlKey || event.altKey) return false;
  if (document.querySelector("dialog[open]")) return false;
  return !(event.target instanceof Element && event.target.closest(FIELDS));
}

function act(key: string, shortcuts: Shortcuts): boolean {
  switch (key) {
    case "/":
      focusSearch();
      return true;
    case "?":
      shortcuts.onHelp();
      return true;
    case "j":
      return stepRow(1);
    case "k":
      return stepRow(-1);
    default:
      return false;
  }
}

function focusSearch(): void {
  const input = document.querySelector<HTMLInputElement>("input[data-search]");
  input?.focus();
  input?.select();
}

/** Move the focus to the next or previous row's link; from elsewhere to the first or last. */
export function stepRow(by: 1 | -1): boolean {
  const links = [...document.querySelectorAll<HTMLElement>("table[data-list] tbody a[data-row-link]")];
  if (links.length === 0) return false;
  const row = document.activeElement?.closest("tr");
  const current = links.findIndex((link) => link.closest("tr") === row);
  const next =
    current === -1 ? (by === 1 ? 0 : links.length - 1) : Math.min(Math.max(current + by, 0), links.length - 1);
  links[next]?.focus();
  return true;
}
