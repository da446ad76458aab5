/**
 * Candidates who wait for a proctor: those checked in, and those who came back after a longer loss of contact.
 * Photograph and live picture stand side by side, because comparing them is the proctor's work here.
 *
 * Someone admitted keeps their place, without buttons, until the pointer and the keyboard have left the queue:
 * otherwise the next person would slip under a second press of "Admit".
 */
import { refusal } from "./acts.js";
import { allow, copy, isAllowed, list, part, write } from "./page.js";
import { waiting } from "./state.js";
import { span } from "./words.js";

/** Places of the queue: those who wait, in order; while it is `held` those who left stay where they were. */
export function places(shown, waitingIds, held) {
  const now = new Set(waitingIds);
  const known = new Set(shown);
  if (!held) return [...waitingIds];
  return [...shown, ...waitingIds.filter((id) => !known.has(id))].filter((id) => now.has(id) || known.has(id));
}

export function mount(element, desk) {
  const { say } = desk;
  const queue = part(element, "queue");
  const items = new Map();
  let shown = [];
  let inside = false;

  element.addEventListener("pointerenter", () => (inside = true));
  element.addEventListener("pointerleave", () => (inside = false));

  function add(id) {
    const node = copy("waiting-candidate");
    const item = {
      element: node,
      stop: desk.pictures.show(id, node.querySelector("canvas")),
      asked: false,
      version: null,
      busy: false,
    };
    items.set(id, item);
    part(node, "name").addEventListener("click", (event) => desk.open(id, event.currentTarget));
    part(node, "admit").addEventListener("click", () => admit(id));
    part(node, "return").addEventListener("click", async () => {
      if (isAllowed(part(node, "return")) && (await desk.ask("return_to_step", id))) stay(id);
    });
    part(node, "resume").addEventListener("click", async () => {
      if (isAllowed(part(node, "resume")) && (await desk.ask("resume", id))) stay(id);
    });
    return item;
  }

  async function admit(id) {
    const item = items.get(id);
    if (item.busy) return;
    item.busy = true;
    describe(id);
    const outcome = await desk.act(desk.known().rows.get(id), "admit");
    item.busy = false;
    write(part(item.element, "problem"), refusal(say, outcome));
    describe(id);
    if (outcome.kind === "done") stay(id);
  }

  /** The pressed button is gone; the keyboard stays at its place instead of falling back to the page's top. */
  function stay(id) {
    const outcome = items.get(id) && part(items.get(id).element, "outcome");
    if (outcome && !outcome.hidden) outcome.focus();
  }

  /** The check-in photograph, once for each time the candidate comes into the queue. */
  async function photograph(id, item, row) {
    if (item.asked && item.version === row.version) return;
    item.asked = true;
    item.version = row.version;
    try {
      const { photo } = await desk.api.attempt(id);
      const image = part(item.element, "photo");
      if (photo) image.src = photo;
      image.hidden = !photo;
      write(part(item.element, "no-photo"), photo ? "" : say("queue.no-photo"));
    } catch {
      item.asked = false;
      write(part(item.element, "no-photo"), say("queue.photo-away"));
    }
  }

  function describe(id) {
    const item = items.get(id);
    const row = desk.known().rows.get(id);
    if (!row) return;
    const { now, live } = desk.view();
    const node = item.element;
    const arrived = row.state === "awaiting";
    const back = row.state === "awaiting_resume";
    node.classList.toggle("is-done", !arrived && !back);
    write(part(node, "name"), row.name);
    write(part(node, "number"), row.number == null ? "" : String(row.number));
    write(part(node, "since"), (arrived || back) && row.waiting_since != null ? say("queue.waits", { span: span(say, now - row.waiting_since) }) : "");
    write(part(node, "why"), back ? say("queue.came-back") : "");
    list(part(node, "settings"), effects(row), (text) => Object.assign(document.createElement("li"), { textContent: text }));
    part(node, "settings").hidden = effects(row).length === 0;
    write(part(node, "no-picture"), !live ? say("tile.away") : desk.pictures.drawnAt.has(id) ? "" : say("tile.no-picture"));
    part(node, "live").classList.toggle("is-stale", !live || !desk.pictures.drawnAt.has(id));
    write(part(node, "outcome"), arrived || back ? "" : say(`state.${row.state}`));
    for (const [name, here] of [["admit", arrived], ["return", arrived], ["resume", back]]) {
      part(node, name).hidden = !here;
      allow(part(node, name), item.busy ? say("act.sending") : null);
    }
    part(node, "photo").alt = say("queue.photo-of", { name: row.name });
    part(node, "admit").setAttribute("aria-label", say("queue.admit", { name: row.name }));
    part(node, "return").setAttribute("aria-label", say("queue.return", { name: row.name }));
    part(node, "resume").setAttribute("aria-label", say("queue.resume", { name: row.name }));
    if (arrived || back) photograph(id, item, row);
  }

  function effects(row) {
    return [...(row.settings ?? []), ...(row.detectors === false ? [say("setting.no-detectors")] : [])];
  }

  return {
    refresh() {
      const ids = waiting(desk.known()).map((row) => row.id);
      const held = inside || queue.contains(document.activeElement);
      const wanted = places(shown, ids, held);
      for (const id of shown) {
        if (wanted.includes(id)) continue;
        items.get(id).stop();
        items.get(id).element.remove();
        items.delete(id);
      }
      wanted.forEach((id, at) => {
        const item = items.get(id) ?? add(id);
        if (queue.children[at] !== item.element) queue.insertBefore(item.element, queue.children[at] ?? null);
        describe(id);
      });
      if (wanted.join() !== shown.join()) {
        shown = wanted;
        desk.subscribe();
      }
      write(part(element, "nobody"), wanted.length ? "" : say("queue.nobody"));
    },
    shown: () => shown,
    enter: () => (queue.querySelector("button:not([hidden])") ?? part(element, "heading")).focus(),
  };
}
