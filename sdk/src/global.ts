/** `gateway.js`: the globals `GatewayCheckout` and `PaymentGateway`. Loading it twice changes nothing. */
import { createCheckout } from "./checkout.ts";
import type { GatewayCheckoutApi } from "./types.ts";

const page = window as unknown as { GatewayCheckout?: GatewayCheckoutApi };
const script = document.currentScript as HTMLScriptElement;
if (!page.GatewayCheckout) Object.assign(page, createCheckout(new URL(script.src).origin));
