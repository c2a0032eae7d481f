/** One polite live region for the whole page: it announces what was done, and shows it for a moment. */
import { useEffect, useState } from "preact/hooks";

type Listener = (text: string) => void;

const SHOWN_MS = 5_000;
const listeners = new Set<Listener>();

export function announce(text: string): void {
  for (const listener of listeners) listener(text);
}

export function Announcer() {
  const [text, setText] = useState("");
  useEffect(() => {
    listeners.add(setText);
    return () => {
      listeners.delete(setText);
    };
  }, []);
  useEffect(() => {
    if (text === "") return;
    const timer = setTimeout(() => setText(""), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <div role="status" class="announcer">
      {text !== "" && <span class="toast">{text}</span>}
    </div>
  );
}
