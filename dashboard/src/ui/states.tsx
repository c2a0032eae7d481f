/** The states of anything that is fetched: each shows the state and the next step. */
import type { ComponentChildren } from "preact";
import type { Failure } from "../api/failure.ts";

interface StateProps {
  title: string;
  children?: ComponentChildren;
  action?: ComponentChildren;
}

/** Nothing here yet, with the next step. */
export function EmptyState({ title, children, action }: StateProps) {
  return (
    <div class="state" data-state="empty">
      <p class="state-title">{title}</p>
      {children && <p class="muted">{children}</p>}
      {action && <div class="state-action">{action}</div>}
    </div>
  );
}

/** Something is here, but not under these filters. */
export function NoMatchState({ noun, clearPath }: { noun: string; clearPath: string }) {
  return (
    <div class="state" data-state="no-match">
      <p class="state-title">No {noun} match these filters</p>
      <p class="muted">Widen them, or clear them to see everything.</p>
      <div class="state-action">
        <a class="button quiet" href={clearPath}>
          Clear filters
        </a>
      </div>
    </div>
  );
}

export interface ErrorStateProps {
  title: string;
  failure: Failure | null;
  onRetry?: () => void;
}

export function ErrorState({ title, failure, onRetry }: ErrorStateProps) {
  return (
    <div class="state" data-state="error" role="alert">
      <p class="state-title">{title}</p>
      {failure && <p class="muted">{failure.description}</p>}
      {failure?.request_id && (
        <p class="small muted">
          Request <code>{failure.request_id}</code>
        </p>
      )}
      {onRetry && (
        <div class="state-action">
          <button type="button" class="button quiet" onClick={onRetry}>
            Try again
          </button>
        </div>
      )}
    </div>
  );
}

/** A failure beside a form, in its one live place. */
export function FormProblem({ failure }: { failure: Failure | null }) {
  return (
    <div role="alert" class="form-problem-place">
      {failure && (
        <p class="form-problem">
          {failure.description}
          {failure.retry_after_seconds ? ` Try again in ${failure.retry_after_seconds} s.` : ""}
        </p>
      )}
    </div>
  );
}

/** Lines that stand where text will be. */
export function Skeleton({ lines = 3 }: { lines?: number }) {
  return (
    <div class="skeleton-lines" data-state="loading" aria-hidden="true">
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} class="skeleton" />
      ))}
    </div>
  );
}
