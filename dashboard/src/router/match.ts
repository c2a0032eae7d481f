/** Route patterns: `/dashboard/payments/:id` against a path. Pure; the browser's history is in place.ts. */

export type Parameters = Readonly<Record<string, string>>;

export interface Route<Target> {
  pattern: string;
  target: Target;
}

export function matchPattern(pattern: string, path: string): Parameters | null {
  const expected = segments(pattern);
  const given = segments(path);
  if (expected.length !== given.length) return null;
  const parameters: Record<string, string> = {};
  for (const [index, name] of expected.entries()) {
    const value = decode(given[index] ?? "");
    if (name.startsWith(":")) parameters[name.slice(1)] = value;
    else if (name !== value) return null;
  }
  return parameters;
}

export function findRoute<Target>(
  routes: readonly Route<Target>[],
  path: string,
): { target: Target; parameters: Parameters } | null {
  for (const route of routes) {
    const parameters = matchPattern(route.pattern, path);
    if (parameters) return { target: route.target, parameters };
  }
  return null;
}

function segments(path: string): string[] {
  return path.split("/").filter((segment) => segment !== "");
}

/** A malformed escape is taken literally: it matches nothing and shows the 404 page. */
function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
