/** The candidate's own choices about the page: size of the text, hidden clock, keyboard shortcuts. Kept in this browser. */

import { localStore } from "./store.js";

const NAME = "tp.settings";
export const SIZES = { normal: "100%", large: "125%", largest: "150%" };
const DEFAULTS = { size: "normal", hideClock: false, shortcuts: true };

/** Whatever was stored, as settings: an unknown value counts as never chosen. */
export function readSettings(text, defaults = DEFAULTS) {
  let stored = {};
  try {
    stored = JSON.parse(text ?? "{}") ?? {};
  } catch {
    stored = {};
  }
  return {
    size: stored.size in SIZES ? stored.size : defaults.size,
    hideClock: typeof stored.hideClock === "boolean" ? stored.hideClock : defaults.hideClock,
    shortcuts: typeof stored.shortcuts === "boolean" ? stored.shortcuts : defaults.shortcuts,
  };
}

/** `element` is the dialog with the settings form. Changes hold at once; there is nothing to save. */
export function mount(element, { shortcuts = true, onChange = () => {} } = {}) {
  const store = localStore();
  const settings = readSettings(store?.getItem(NAME), { ...DEFAULTS, shortcuts });
  const form = element.querySelector("form");

  function apply() {
    document.documentElement.style.fontSize = SIZES[settings.size];
    form.elements.size.value = settings.size;
    form.elements.hide_clock.checked = settings.hideClock;
    form.elements.shortcuts.checked = settings.shortcuts;
  }

  function change(values) {
    Object.assign(settings, values);
    try {
      store?.setItem(NAME, JSON.stringify(settings));
    } catch {
      // A full store only means that the choice holds for this page.
    }
    apply();
    onChange(settings);
  }

  form.addEventListener("change", () =>
    change({
      size: form.elements.size.value,
      hideClock: form.elements.hide_clock.checked,
      shortcuts: form.elements.shortcuts.checked,
    }),
  );
  apply();
  return { settings, change };
}
