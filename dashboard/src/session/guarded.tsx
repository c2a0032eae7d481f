/** Controls that need a right: as they are for those who have it, disabled with the reason for the others. */
import type { ComponentChildren } from "preact";
import type { Right } from "web-shared/wire";
import { type Permission, permissionOf } from "./rights.ts";
import { useUser } from "./session-context.tsx";

export function usePermission(right: Right): Permission {
  return permissionOf(useUser().role, right);
}

export interface GuardedProps {
  right: Right;
  /** In a row of a list the reason is a tooltip; elsewhere it is written out. */
  inRow?: boolean;
  children: ComponentChildren;
}

export function Guarded({ right, inRow = false, children }: GuardedProps) {
  const { may, why } = usePermission(right);
  if (may) return <>{children}</>;
  return (
    <fieldset class={inRow ? "guarded in-row" : "guarded"} disabled title={why} data-test-id="not-allowed">
      <legend class="visually-hidden">{why}</legend>
      {!inRow && <p class="small muted">{why}</p>}
      {children}
    </fieldset>
  );
}
