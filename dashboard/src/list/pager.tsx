/** Older and newer pages, as links: they can be opened, kept and gone back from. */
export interface PagerProps {
  olderPath: string | null;
  newerPath: string | null;
  onOlder?: () => void;
  onNewer?: () => void;
  note?: string;
  words?: readonly [newer: string, older: string];
}

export function Pager({ olderPath, newerPath, onOlder, onNewer, note, words = ["Newer", "Older"] }: PagerProps) {
  if (olderPath === null && newerPath === null && !note) return null;
  return (
    <nav class="pager" aria-label="Pages">
      <span class="small muted">{note}</span>
      <PageLink path={newerPath} text={words[0]} onFollow={onNewer} />
      <PageLink path={olderPath} text={words[1]} onFollow={onOlder} />
    </nav>
  );
}

function PageLink({ path, text, onFollow }: { path: string | null; text: string; onFollow?: () => void }) {
  if (path === null) {
    return (
      <span class="button quiet" aria-disabled="true">
        {text}
      </span>
    );
  }
  return (
    <a class="button quiet" href={path} onClick={onFollow}>
      {text}
    </a>
  );
}
