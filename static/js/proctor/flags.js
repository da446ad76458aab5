/**
 * The flags of one candidate: when each began and ended, three pictures side by side, and what a person decides.
 * A card stays where it is, with the note being written in it, however often the server is asked anew; nothing here
 * does anything to the test.
 */
import { refusal } from "./acts.js";
import { copy, list, part, write } from "./page.js";
import { place, readingOrder } from "./state.js";
import { capital, timeOfDay } from "./words.js";

const DECISIONS = ["dismiss", "confirm"];

/** The order of cards: undecided first when the list is opened; from then on each keeps its place, also when it is decided, and new ones come last. */
export function cards(shown, flags) {
  const known = new Set(shown);
  const there = new Set(flags.map(({ id }) => id));
  return [...shown.filter((id) => there.has(id)), ...readingOrder(flags.filter(({ id }) => !known.has(id))).map(({ id }) => id)];
}

/** Which decision a key means inside a card, or null. */
export function decisionOf({ key, ctrlKey, altKey, metaKey }, typing, wanted) {
  if (ctrlKey || altKey || metaKey || typing || !wanted) return null;
  return { d: "dismiss", c: "confirm" }[key] ?? null;
}

/** @param desk what the console's parts share; @param again asks the server for this candidate anew */
export function mount(element, desk, again) {
  const { say, language } = desk;
  const section = part(element, "flags-section");
  const jump = part(element, "flags-jump");
  const shelf = part(element, "flags");
  const made = new Map();
  let attempt = null;
  let shown = [];
  let flags = [];
  let busy = null;

  jump.addEventListener("click", showFirst);

  function add(id) {
    const item = copy("flag");
    const node = item.firstElementChild;
    node.id = `flag-${id}`;
    const note = part(node, "flag-note");
    note.id = `flag-${id}-note`;
    node.querySelector("label").htmlFor = note.id;
    for (const name of DECISIONS) part(node, name).addEventListener("click", () => decide(id, name));
    node.addEventListener("keydown", (event) => {
      const name = decisionOf(event, event.target === note, desk.wantsKeys());
      if (!name || flagOf(id)?.outcome !== "open") return;
      event.preventDefault();
      event.stopPropagation();
      decide(id, name);
    });
    made.set(id, node);
    return item;
  }

  const flagOf = (id) => flags.find((flag) => flag.id === id);

  async function decide(id, name) {
    if (busy !== null) return;
    busy = id;
    const node = made.get(id);
    const of = attempt;
    const inside = node.contains(document.activeElement);
    node.setAttribute("aria-busy", "true");
    const outcome = await desk.decide(of, id, name, part(node, "flag-note").value.trim());
    busy = null;
    node.removeAttribute("aria-busy");
    if (of !== attempt) return;
    if (outcome.flag) {
      flags = flags.map((flag) => (flag.id === id ? outcome.flag : flag));
      describe(outcome.flag);
      describeHead();
    }
    if (outcome.kind === "done" || outcome.kind === "moved") {
      write(part(node, "flag-problem"), outcome.kind === "moved" ? say("flag.moved", { by: outcome.flag?.decided_by ?? "" }) : "");
      // The pressed button is gone: the keyboard goes on to the next flag, or stays on this card.
      if (inside) (nextOpen() ?? node).focus();
      again();
    } else write(part(node, "flag-problem"), refusal(say, outcome));
  }

  function whenOf({ began_at: began, ended_at: ended, lasted }) {
    const times = { from: timeOfDay(began, language, true), to: ended == null ? "" : timeOfDay(ended, language, true), lasted };
    return say(ended == null ? "flag.since" : "flag.from-to", times);
  }

  function nextOpen() {
    const id = shown.find((one) => flagOf(one)?.outcome === "open");
    return id === undefined ? null : made.get(id);
  }

  function describe(flag) {
    const node = made.get(flag.id);
    const open = flag.outcome === "open";
    node.dataset.outcome = flag.outcome;
    write(part(node, "flag-what"), capital(flag.words));
    const when = whenOf(flag);
    write(part(node, "flag-when"), when);
    write(part(node, "flag-peak"), flag.peak);
    part(node, "flag-undecided").hidden = !open;
    const by = { by: flag.decided_by ?? "", time: flag.decided_at == null ? "" : timeOfDay(flag.decided_at, language) };
    write(part(node, "flag-decided"), open ? "" : say(`flag.${flag.outcome}`, by));
    write(part(node, "flag-said"), open || !flag.note ? "" : say("flag.note", { note: flag.note }));
    node.setAttribute("aria-label", [capital(flag.words), when].join(", "));
    pictures(part(node, "flag-frames"), flag);
    write(part(node, "flag-no-frames"), flag.frames.length ? "" : say("flag.no-frames"));
  }

  /** A picture that is shown stays: a new request for it would flicker. */
  function pictures(shelfOf, flag) {
    const wanted = flag.frames.map(({ url }) => url).join(" ");
    if (shelfOf.dataset.urls === wanted) return;
    shelfOf.dataset.urls = wanted;
    list(shelfOf, flag.frames, (frame) => {
      const item = document.createElement("li");
      const button = Object.assign(document.createElement("button"), { type: "button", className: "still" });
      const time = timeOfDay(frame.at, language, true);
      const label = say(`flag.frame.${frame.place}`, { time });
      const words = document.createElement("span");
      words.append(Object.assign(document.createElement("b"), { textContent: say(`flag.place.${frame.place}`) }), ` ${time}`);
      button.append(Object.assign(new Image(), { src: frame.url, alt: say("flag.enlarge"), width: 320, height: 240 }), words);
      button.addEventListener("click", () => {
        const dialog = document.getElementById("still");
        const image = part(dialog, "image");
        image.src = frame.url;
        image.alt = label;
        write(part(dialog, "title"), label);
        dialog.showModal();
      });
      item.append(button);
      return item;
    });
  }

  function describeHead() {
    const open = flags.filter(({ outcome }) => outcome === "open").length;
    section.hidden = flags.length === 0;
    write(jump, flags.length ? (open ? say("flag.open", { count: open }) : say("flag.all-decided", { count: flags.length })) : "");
    jump.dataset.open = open;
  }

  /** The flags on a line of time, for the eye alone: the cards say the same in words. */
  function describeStrip(row, now) {
    const strip = part(element, "flags-strip");
    const first = row?.started_at;
    if (first == null || !flags.length) {
      strip.parentElement.hidden = true;
      return;
    }
    const last = Math.max(row.submitted_at ?? now, ...flags.map((flag) => flag.ended_at ?? flag.began_at));
    strip.parentElement.hidden = false;
    write(part(element, "flags-from"), timeOfDay(first, language));
    write(part(element, "flags-to"), row.submitted_at == null ? say("flag.now") : timeOfDay(row.submitted_at, language));
    list(strip, flags, (flag) => {
      const mark = document.createElement("i");
      const { left, width } = place(flag, first, last);
      mark.style.setProperty("--left", `${left}%`);
      mark.style.setProperty("--width", `${width}%`);
      mark.dataset.outcome = flag.outcome;
      return mark;
    });
  }

  function showFirst() {
    const to = nextOpen() ?? made.get(shown[0]);
    if (!to) return false;
    to.focus();
    to.scrollIntoView({ block: "nearest" });
    return true;
  }

  return {
    /** Another candidate, or nobody. */
    open(id) {
      attempt = id;
      shown = [];
      flags = [];
      made.clear();
      shelf.replaceChildren();
      describeHead();
      describeStrip(null, 0);
    },
    show(found, row, now) {
      flags = found;
      shown = cards(shown, flags);
      shown.forEach((id, at) => {
        const item = made.get(id)?.parentElement ?? add(id);
        if (shelf.children[at] !== item) shelf.insertBefore(item, shelf.children[at] ?? null);
      });
      for (const flag of flags) describe(flag);
      describeHead();
      describeStrip(row, now);
    },
    showFirst,
    /** To the card of one flag, from its line on the timeline. */
    go(id) {
      const node = made.get(id);
      node?.focus();
      node?.scrollIntoView({ block: "nearest" });
    },
  };
}
