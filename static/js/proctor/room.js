/**
 * The roster and the seat plan, kept up to date. The page is whole without it: the filter is a form, the address holds it, and
 * loading again shows how everyone stands. Here the same page is asked for again and its part put in place.
 */

import { counted, pageLanguage } from "../delivery/words.js";

const EACH_MS = 5_000;
const TYPING_MS = 200;

/** The address of the page as it is filtered; an empty field stays out of it. */
export function addressOf(action, fields) {
  const query = new URLSearchParams([...fields].filter(([, value]) => value !== ""));
  const text = query.toString();
  return text ? `${action}?${text}` : action;
}

/** Puts `fresh` in the place of `old` unless nothing differs; the focus stays on the element with the same id. */
export function replace(old, fresh) {
  if (old.innerHTML === fresh.innerHTML) return false;
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  old.replaceChildren(...fresh.childNodes);
  if (focused) old.querySelector(`#${CSS.escape(focused)}`)?.focus({ preventScroll: true });
  return true;
}

export function mount(element) {
  const form = element.querySelector("form[role=search]");
  const part = (root) => (form ? root.querySelector("[data-roster]") : root.querySelector('[data-module="proctor/room"]'));
  const say = element.querySelector("[data-found]");
  let asked = 0;

  async function look({ spoken = false } = {}) {
    asked += 1;
    const mine = asked;
    try {
      const reply = await fetch(location.href, { credentials: "same-origin", cache: "no-store" });
      if (!reply.ok || reply.redirected) return;
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      const fresh = part(page);
      // A later question was asked meanwhile, or someone is reading a list that must not move under the pointer.
      if (mine !== asked || !fresh) return;
      replace(part(document), document.importNode(fresh, true));
      if (spoken && say) say.textContent = counted(JSON.parse(fresh.dataset.words), fresh.querySelectorAll("[data-row]").length, {}, pageLanguage());
    } catch {
      // The line is away for a moment: the page shows what it knew, and asks again.
    }
  }

  if (form) {
    let timer = null;
    const change = () => {
      history.replaceState(null, "", addressOf(form.getAttribute("action"), new FormData(form)));
      look({ spoken: true });
    };
    form.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(change, TYPING_MS);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      clearTimeout(timer);
      change();
    });
  }
  setInterval(() => document.visibilityState === "visible" && look(), EACH_MS);
}
