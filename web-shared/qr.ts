/** A QR code as one SVG path; loaded only where it is shown. */
import { correction, generate } from "lean-qr";

export interface QrPath {
  /** Modules along one side, without the quiet zone. */
  size: number;
  /** `d` of a path in units of one module. */
  path: string;
}

export function drawQr(text: string): QrPath {
  const code = generate(text, { minCorrectionLevel: correction.M });
  let path = "";
  for (let y = 0; y < code.size; y++)
    for (let x = 0; x < code.size; x++) if (code.get(x, y)) path += `M${x} ${y}h1v1h-1z`;
  return { size: code.size, path };
}
