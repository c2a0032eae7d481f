/** `gateway.mjs`: the SDK as an ES module. */
import { createCheckout } from "./checkout.ts";

export const { GatewayCheckout, PaymentGateway } = createCheckout(new URL(import.meta.url).origin);
