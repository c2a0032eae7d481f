/** How many rows are new since the list was fetched; pressing it shows them. */
import { arrivedText } from "./list.ts";

interface Props {
  count: number;
  onShow: () => void;
  testId?: string;
}

export function ArrivedBar({ count, onShow, testId }: Props) {
  return (
    <div class="arrived-place" role="status">
      {count > 0 && (
        <button type="button" class="arrived" data-test-id={testId} onClick={onShow}>
          {arrivedText(count)} – show
        </button>
      )}
    </div>
  );
}
