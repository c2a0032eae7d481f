/** Heading of a panel. It takes the focus when its panel appears, so that reading goes on from there. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

export function PanelTitle({ shown, children }: { shown: boolean; children: ComponentChildren }) {
  const title = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    if (shown) title.current?.focus({ preventScroll: true });
  }, [shown]);
  return (
    <h1 class="panel-title" tabIndex={-1} ref={title}>
      {children}
    </h1>
  );
}
