/**
 * The modal: a native <dialog> with the frame inside. It traps Tab, makes the page inert and gives focus back by itself.
 * All style is set by CSSOM, so that a merchant's `style-src` needs nothing for us.
 */

export interface Modal {
  readonly frame: HTMLIFrameElement;
  /** Fit the frame to its content, within the window. */
  fit(heightPx: number): void;
  lock(locked: boolean): void;
  /** In place of the frame: a link that shows the error and leads to the hosted page. */
  explain(text: string, href: string): void;
  remove(): void;
}

const SHEET = "box-sizing:border-box;width:min(440px,100vw);border:0;border-radius:12px;background:Canvas";
/** The whole height of a phone, nothing on a wider window. */
const NARROW = "clamp(0px,(500px - 100vw)*9999,100dvh)";

/** `onClose` closes, and returns false if the modal must stay. */
export function openModal(closeText: string, scheme: string, onClose: (reason: "user" | "escape") => boolean): Modal {
  const page = document.documentElement;
  const overflow = page.style.overflow;
  const dialog = element(
    "dialog",
    "payment-modal",
    `all:unset;display:grid;place-items:center;position:fixed;inset:0;background:rgb(13 15 18/.6);color-scheme:${scheme}`,
  );
  const box = element("div", "", "position:relative;display:grid");
  const frame = element("iframe", "payment-iframe", SHEET);
  const button = element(
    "button",
    "close-modal-button",
    "position:absolute;top:8px;right:8px;width:36px;height:36px;border:0;background:none;color:CanvasText;font:24px/1 system-ui",
  );

  const fit = (heightPx: number): void => {
    frame.style.height = `max(${NARROW},min(${heightPx}px,100dvh))`;
  };
  fit(620);
  frame.title = "Payment";
  dialog.setAttribute("aria-label", frame.title);
  button.type = "button";
  button.textContent = "×";
  button.setAttribute("aria-label", closeText);
  button.onclick = () => onClose("user");
  dialog.oncancel = (event) => {
    event.preventDefault();
    onClose("escape");
  };
  // Some browsers let a second Escape pass regardless of the page.
  dialog.onclose = () => {
    if (!onClose("escape")) dialog.showModal();
  };
  box.append(frame, button);
  dialog.append(box);
  document.body.append(dialog);
  page.style.overflow = "hidden";
  dialog.showModal();

  return {
    frame,
    fit,
    lock(now) {
      button.disabled = now;
      button.style.opacity = now ? ".3" : "";
    },
    explain(text, href) {
      const link = element("a", "", `${SHEET};padding:48px 32px;color:LinkText;font:16px/1.5 system-ui`);
      link.href = href;
      link.target = "_top";
      link.textContent = text;
      frame.replaceWith(link);
      link.focus(); // and so it is read out
    },
    remove() {
      dialog.onclose = null;
      dialog.close();
      dialog.remove();
      page.style.overflow = overflow;
    },
  };
}

function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  testId: string,
  css: string,
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  if (testId) made.setAttribute("data-test-id", testId);
  made.style.cssText = css;
  return made;
}
