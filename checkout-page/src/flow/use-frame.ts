/** Life inside the modal: its height follows the content, Escape requests a close, success returns automatically. */
import { useEffect, useRef } from "preact/hooks";
import { type Checkout, isLocked } from "../state/checkout.ts";
import type { ParentLine } from "./parent.ts";
import { useLeaving } from "./use-return.ts";

export function useFrame(line: ParentLine, { screen }: Checkout) {
  const root = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!line.connected || !root.current) return;
    const element = root.current;
    const observer = new ResizeObserver(() =>
      line.send({ type: "resize", data: Math.ceil(element.getBoundingClientRect().height) }),
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, [line]);
  useEffect(() => {
    if (!line.connected) return;
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === "Escape" && !isLocked(screen)) line.send({ type: "close", data: "escape" });
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [line, screen]);
  const returning = useLeaving(line.connected && screen === "success", () =>
    line.send({ type: "close", data: "done" }),
  );
  return { root, returning };
}
