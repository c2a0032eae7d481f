/** A page's heading: receives the focus when the page is entered, so that a screen reader begins there. */
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { BackIcon } from "./icons.tsx";

export interface PageHeadProps {
  title: string;
  /** For the browser's tab, where it should say more than the heading. */
  documentTitle?: string;
  lead?: ComponentChildren;
  back?: readonly [path: string, text: string];
  children?: ComponentChildren;
}

export function PageHead({ title, documentTitle, lead, back, children }: PageHeadProps) {
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
        <h1 tabIndex={-1}>{title}</h1>
        {children && <div class="page-actions">{children}</div>}
      </div>
      {lead && <p class="muted">{lead}</p>}
    </div>
  );
}
