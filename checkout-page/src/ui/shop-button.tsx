/** Leads back to the shop with the payment's result. */
import { useTexts } from "../texts/language.ts";

export function ShopButton({ shop, name = "", quiet = false }: { shop: string; name?: string; quiet?: boolean }) {
  const texts = useTexts();
  return (
    <a class={quiet ? "button quiet" : "button"} href={shop} data-test-id="return-button">
      {texts.back_to(name)}
    </a>
  );
}
