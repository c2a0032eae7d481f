/** What can be typed and pressed. */
import { Dialog } from "../ui/dialog.tsx";

const KEYS: readonly (readonly [keys: string, what: string])[] = [
  ["/", "Search"],
  ["j  k", "Next and previous row"],
  ["Enter", "Open the row"],
  ["←  →", "Move along a chart"],
  ["Esc", "Close a dialog"],
  ["?", "This help"],
];
const WORDS: readonly (readonly [words: string, what: string])[] = [
  ["pay_…  order_…  rfnd_…  evt_…", "Open that payment, order, refund or event"],
  ["order:order_…", "Payments of an order"],
  ["name@bank  1111", "The beginning of a VPA, or a card's last digits"],
  ["asha rao  invoice-42", "The payer's name, e-mail or number, or the receipt"],
  ["status:failed", "created, processing, success or failed"],
  ["method:upi", "upi, card or netbanking"],
  ["amount>500", "Also >=, <, <= and 500..900, in rupees"],
  ["currency:USD", "Amounts in the search are in that currency"],
  ["captured:no", "Captured, yes or no"],
  ["from:7d to:today", "Also yesterday and 2026-11-25"],
];

export function HelpDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys and search" onClose={onClose} wide>
      <div class="dialog-body help">
        <HelpList title="Keys" entries={KEYS} />
        <HelpList title="Search words" entries={WORDS} />
      </div>
    </Dialog>
  );
}

function HelpList({ title, entries }: { title: string; entries: typeof KEYS }) {
  return (
    <section>
      <h3>{title}</h3>
      <dl class="help-list">
        {entries.map(([term, what]) => (
          <div key={term}>
            <dt>
              <kbd>{term}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
