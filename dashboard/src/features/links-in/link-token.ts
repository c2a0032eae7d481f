/** What an invitation's or a reset's link carries behind its #: browsers never send that part to a server. */

export interface LinkFacts {
  token: string;
  /** The recipient of the link, if it contains one: shown, and offered to the password manager. */
  email: string;
}

export function linkFacts(hash: string): LinkFacts {
  const facts = new URLSearchParams(hash.replace(/^#/, ""));
  return { token: facts.get("token") ?? "", email: facts.get("email") ?? "" };
}
