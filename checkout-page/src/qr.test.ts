/** A drawn code is read back by a decoder that is not ours. */
import jsQR from "jsqr";
import { expect, it } from "vitest";
import { drawQr, type QrPath } from "web-shared/qr";
import { linkFor, UPI_APPS } from "./state/upi-link.ts";

const QUIET = 4;
const PIXELS = 3;

function pixelsOf({ size, path }: QrPath): { data: Uint8ClampedArray; side: number } {
  const side = (size + 2 * QUIET) * PIXELS;
  const data = new Uint8ClampedArray(side * side * 4).fill(255);
  for (const [, x, y] of path.matchAll(/M(\d+) (\d+)h1v1h-1z/g))
    for (let dy = 0; dy < PIXELS; dy++)
      for (let dx = 0; dx < PIXELS; dx++) {
        const at = ((Number(y) + QUIET) * PIXELS + dy) * side + (Number(x) + QUIET) * PIXELS + dx;
        data.fill(0, at * 4, at * 4 + 3);
      }
  return { data, side };
}

it.each([
  ["a short name", "Test Merchant"],
  ["a long name with signs of its own", "Chāy & Sons / Café #4471 = 100% ".repeat(3)],
])("holds the UPI link of %s", (_, payeeName) => {
  const link = `upi://pay?pa=test_merchant%40gateway&pn=${encodeURIComponent(payeeName)}&tr=pay_0000000000000000&am=500.00&cu=INR`;
  const { data, side } = pixelsOf(drawQr(link));
  expect(jsQR(data, side, side)?.data).toBe(link);
});

it("gives each app the same query under its own scheme", () => {
  const links = UPI_APPS.map(({ scheme }) => linkFor(scheme, "upi://pay?pa=a%40b&am=1.00"));
  expect(links).toEqual(["tez://upi/pay", "phonepe://pay", "paytmmp://pay"].map((app) => `${app}?pa=a%40b&am=1.00`));
});
