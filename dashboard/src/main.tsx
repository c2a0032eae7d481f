/** The start: read the API's address, then draw. The page's code is fetched in parallel. */
import { render } from "preact";
import "web-shared/tokens.css";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/ui.css";
import "./styles/features.css";
import type { RuntimeConfig } from "./api/types.ts";
import { App } from "./app.tsx";
import { startRouting } from "./router/place.ts";
import { preloadPage } from "./routes.ts";
import { GatewayProvider } from "./session/session-context.tsx";
import { ErrorState } from "./ui/states.tsx";

const root = document.getElementById("app");

async function start(target: HTMLElement): Promise<void> {
  startRouting();
  preloadPage(location.pathname);
  try {
    const config = await readConfig();
    render(
      <GatewayProvider config={config}>
        <App />
      </GatewayProvider>,
      target,
    );
  } catch {
    render(
      <main class="alone">
        <ErrorState title="The dashboard could not start" failure={null} onRetry={() => location.reload()} />
      </main>,
      target,
    );
  }
}

async function readConfig(): Promise<RuntimeConfig> {
  const response = await fetch("/config.json");
  if (!response.ok) throw new Error(`config.json: ${response.status}`);
  const config = (await response.json()) as RuntimeConfig;
  if (typeof config.api_url !== "string") throw new Error("config.json names no API");
  return config;
}

if (root) void start(root);
