/** The frame round every signed-in page: navigation, search, state of the live feed, help. */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { FeedState } from "../live/feed.ts";
import { useLiveState } from "../live/live-context.tsx";
import { usePlace } from "../router/place.ts";
import { useGateway, useMerchant } from "../session/session-context.tsx";
import { MenuIcon } from "../ui/icons.tsx";
import { HelpDialog } from "./help.tsx";
import { Navigation } from "./navigation.tsx";
import { SearchBox } from "./search-box.tsx";
import { useShortcuts } from "./shortcuts.ts";

export function Shell({ children }: { children: ComponentChildren }) {
  const { config } = useGateway();
  const merchant = useMerchant();
  const place = usePlace();
  const [menuOpen, setMenuOpen] = useState(false);
  const [helpOpen, setHelpOpen] = useState(false);
  useShortcuts({ onHelp: () => setHelpOpen(true) });
  // The menu closes when the reader has moved.
  useEffect(() => setMenuOpen(false), [place.visit]);

  return (
    <div class={menuOpen ? "shell menu-open" : "shell"}>
      <a class="skip" href="#main">
        Skip to the page
      </a>
      <aside class="side" aria-label="Merchant and pages">
        <div class="side-head">
          <span class="merchant">{merchant.name}</span>
          <button
            type="button"
            class="icon-button menu-button"
            aria-expanded={menuOpen}
            aria-controls="navigation"
            aria-label="Menu"
            onClick={() => setMenuOpen(!menuOpen)}
          >
            <MenuIcon />
          </button>
        </div>
        <Navigation path={place.path} />
      </aside>
      <div class="body">
        <header class="top">
          <SearchBox />
          <span class="top-facts">
            {config.test_mode && <span class="pill wait">Test mode</span>}
            <LiveSign />
            <button type="button" class="icon-button" aria-label="Help and shortcuts" onClick={() => setHelpOpen(true)}>
              ?
            </button>
          </span>
        </header>
        <main id="main" class="page" tabIndex={-1}>
          {children}
        </main>
      </div>
      {helpOpen && <HelpDialog onClose={() => setHelpOpen(false)} />}
    </div>
  );
}

const SIGNS: Readonly<Record<FeedState, readonly [tone: string, text: string]>> = {
  connecting: ["calm", "Connecting"],
  live: ["ok", "Live"],
  interrupted: ["bad", "Reconnecting"],
  paused: ["calm", "Paused"],
};

function LiveSign() {
  const state = useLiveState();
  const [tone, text] = SIGNS[state];
  return (
    <span class={`pill ${tone} live-sign`} data-live={state}>
      {text}
    </span>
  );
}
