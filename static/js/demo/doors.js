/* What waits behind each door, as it stands now: the page is asked for again, and only sentences that changed are put in their place. */

const EACH = 10_000;

/** Copies text and look of every `[data-live]` of `fresh` whose text differs; returns how many did. */
export function renew(here, fresh) {
  let changed = 0;
  for (const old of here.querySelectorAll("[data-live]")) {
    const now = fresh.getElementById(old.id);
    if (now && now.textContent !== old.textContent) {
      old.textContent = now.textContent;
      old.className = now.className;
      changed += 1;
    }
  }
  return changed;
}

export function mount(element) {
  setInterval(async () => {
    if (document.hidden) return;
    try {
      const reply = await fetch("/demo/", { headers: { Accept: "text/html" } });
      if (reply.ok) renew(element, new DOMParser().parseFromString(await reply.text(), "text/html"));
    } catch {
      // The demo was stopped; the page stays as it was.
    }
  }, EACH);
}
