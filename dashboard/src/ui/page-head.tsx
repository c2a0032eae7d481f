/** A page's heading: receives the focus when the page is entered, so that a screen reader begins there. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { currentPlace } from "../router/place.ts";
import { BackIcon } from "./icons.tsx";

export interface PageHeadProps {
  title: string;
  /** For the browser's tab, if it should contain more than the heading. */
  documentTitle?: string;
  lead?: ComponentChildren;
  /** Stands beside the heading: a status. */
  badge?: ComponentChildren;
  back?: readonly [path: string, text: string];
  children?: ComponentChildren;
}

export function PageHead({ title, documentTitle, lead, badge, back, children }: PageHeadProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    // The first page is left alone: the browser itself begins at its top.
    if (currentPlace().visit === 0) return;
    heading.current?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }, []);
  useEffect(() => {
    document.title = `${documentTitle ?? title} · Dashboard`;
  }, [title, documentTitle]);
  return (
    <div class="page-head">
      {back && (
        <a class="back" href={back[0]}>
          <BackIcon /> {back[1]}
        </a>
      )}
      <div class="page-head-line">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {badge}
        {children && <div class="page-actions">{children}</div>}
      </div>
      {lead && <div class="muted">{lead}</div>}
    </div>
  );
}
