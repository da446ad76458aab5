// Asks each second how far a check of the trail has come, and shows its result when it is done.

const EACH = 1000;

export function done(html) {
  return !html.includes("<progress");
}

export function mount(element, { get = (url) => fetch(url, { credentials: "same-origin" }), wait = setTimeout, load = () => location.reload() } = {}) {
  element.setAttribute("aria-live", "off");
  async function ask() {
    try {
      const reply = await get(element.dataset.url);
      if (reply.redirected || reply.status === 401) {
        load();
        return;
      }
      if (reply.ok) {
        const html = await reply.text();
        if (done(html)) {
          // The whole page again: with the result come the form and the newest hash.
          load();
          return;
        }
        element.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
      }
    } catch {
      // The line is away; the check goes on without us, and the next call may get through.
    }
    wait(ask, EACH);
  }
  wait(ask, EACH);
}
