/** Life inside the modal: its height follows the content, Escape asks to be closed, success returns by itself. */
import { useEffect, useRef, useState } from "preact/hooks";
import { type Checkout, isLocked } from "../state/checkout.ts";
import type { ParentLine } from "./parent.ts";

/** Long enough to read the result; any key or touch stops it. */
const RETURN_MS = 3_500;

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
  return { root, returning: useReturn(line, screen === "success") };
}

function useReturn(line: ParentLine, succeeded: boolean): boolean {
  const [returning, setReturning] = useState(false);
  useEffect(() => {
    if (!succeeded || !line.connected) return;
    const stop = (): void => {
      setReturning(false);
      clearTimeout(timer);
      for (const type of ["keydown", "pointerdown"]) removeEventListener(type, stop);
    };
    const timer = setTimeout(() => line.send({ type: "close", data: "done" }), RETURN_MS);
    for (const type of ["keydown", "pointerdown"]) addEventListener(type, stop);
    setReturning(true);
    return stop;
  }, [line, succeeded]);
  return returning;
}
