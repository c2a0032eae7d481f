/**
 * Loads a page's code when it is first needed, and shows an error if that fails (a deploy in between, a lost network).
 */
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Parameters } from "../router/match.ts";
import { ErrorState } from "../ui/states.tsx";

export type Page = ComponentType<{ parameters: Parameters }>;
export type PageLoader = () => Promise<Page>;

const loaded = new Map<PageLoader, Page>();

export function LazyPage({ loader, parameters }: { loader: PageLoader; parameters: Parameters }) {
  const [attempt, setAttempt] = useState(0);
  const [failedLoader, setFailedLoader] = useState<PageLoader | null>(null);
  const [, setReady] = useState<PageLoader | null>(null);
  const Found = loaded.get(loader);

  useEffect(() => {
    if (loaded.has(loader)) return;
    let current = true;
    loader().then(
      (page) => {
        loaded.set(loader, page);
        if (current) setReady(() => loader);
      },
      () => current && setFailedLoader(() => loader),
    );
    return () => {
      current = false;
    };
  }, [loader, attempt]);

  if (Found) return <Found parameters={parameters} />;
  if (failedLoader === loader) {
    const retry = () => {
      setFailedLoader(null);
      setAttempt(attempt + 1);
    };
    return <ErrorState title="This page could not be loaded" failure={null} onRetry={retry} />;
  }
  return <div class="page-wait" aria-busy="true" />;
}
