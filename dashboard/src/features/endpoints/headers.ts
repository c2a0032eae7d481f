/** An endpoint's own headers as text, one a line: `X-Tenant: 42`. The API decides which names and values are allowed.
 */

export type ParsedHeaders = { headers: Record<string, string> } | { problem: string };

/** Empty lines are skipped; a value may contain colons. */
export function parseHeaders(text: string): ParsedHeaders {
  const headers: Record<string, string> = {};
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const colon = line.indexOf(":");
    if (colon < 1) return { problem: `Line ${index + 1} must have the form "Name: value"` };
    const name = line.slice(0, colon).trim();
    if (Object.keys(headers).some((known) => known.toLowerCase() === name.toLowerCase())) {
      return { problem: `Line ${index + 1}: ${name} appears twice` };
    }
    headers[name] = line.slice(colon + 1).trim();
  }
  return { headers };
}
