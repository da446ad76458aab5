// Gives each element with data-module="package/name" to mount(element) of js/package/name.js.

import { listen } from "./dialog.js";

const mounted = new WeakSet();

export function modulePath(name) {
  if (!/^[a-z]+(\/[a-z][a-z0-9_-]*)+$/.test(name)) {
    throw new Error(`"${name}" names no module`);
  }
  return `../${name}.js`;
}

async function mount(element) {
  mounted.add(element);
  try {
    const module = await import(modulePath(element.dataset.module));
    await module.mount(element);
  } catch (error) {
    // One part that fails leaves the others, and the page's own HTML, working.
    element.setAttribute("data-module-failed", "");
    console.error(`${element.dataset.module} did not start`, error);
  }
}

export function mountAll(root = document) {
  for (const element of root.querySelectorAll("[data-module]")) {
    if (!mounted.has(element)) {
      mount(element);
    }
  }
}

listen(document);
mountAll();
document.addEventListener("htmx:after:swap", () => mountAll());
