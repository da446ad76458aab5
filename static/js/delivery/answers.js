/** The candidate's answer sheet: what is chosen, flagged and crossed out. Plain values in, plain values out. */

import { applied } from "./journal.js";

export const EMPTY = Object.freeze({ option: null, flagged: false, struck: [] });

export class Sheet {
  constructor(slots, answers = {}) {
    this.slots = slots;
    this.answers = Object.fromEntries(slots.map((slot) => [slot, { ...EMPTY, ...answers[slot] }]));
  }

  of(slot) {
    return this.answers[slot];
  }

  apply(slot, event) {
    this.answers[slot] = applied(this.answers[slot], event);
    return this.answers[slot];
  }

  get answered() {
    return this.slots.filter((slot) => this.of(slot).option !== null);
  }

  get unanswered() {
    return this.slots.filter((slot) => this.of(slot).option === null);
  }

  get flagged() {
    return this.slots.filter((slot) => this.of(slot).flagged);
  }
}

/** The options that an answer holds: several of a multiple one, parted by spaces. */
export function parts(option) {
  return option === null ? [] : option.split(" ");
}

/** The events of choosing `option`: a crossed-out answer that is chosen is no longer crossed out. */
export function choose(answer, option) {
  const events = [{ state: "answered", option }];
  if (answer.struck.includes(option)) events.push({ state: "unstruck", option });
  return events;
}

/** The events of ticking `option` where several may be chosen, or of taking its tick away; none when `most` are ticked already. */
export function tick(answer, option, most = Infinity) {
  const before = parts(answer.option);
  if (before.includes(option)) {
    const rest = before.filter((key) => key !== option);
    return [rest.length ? { state: "answered", option: rest.join(" ") } : { state: "cleared" }];
  }
  if (before.length >= most) return [];
  const events = [{ state: "answered", option: [...before, option].sort().join(" ") }];
  if (answer.struck.includes(option)) events.push({ state: "unstruck", option });
  return events;
}

/** The event of the cross-out button. Crossing out the chosen answer keeps it chosen; `keeps` says so to the page. */
export function crossOut(answer, option) {
  const struck = answer.struck.includes(option);
  return { event: { state: struck ? "unstruck" : "struck", option }, keeps: !struck && parts(answer.option).includes(option) };
}

/** How long each question was visible since its last event. */
export class Stopwatch {
  #spent = new Map();
  #slot = null;
  #since = 0;

  constructor(now = () => performance.now()) {
    this.now = now;
  }

  /** From now on `slot` is visible; null when none is. */
  show(slot) {
    this.#add();
    this.#slot = slot;
  }

  /** The time of a question, which then starts from nothing. */
  take(slot) {
    this.#add();
    const spent = this.#spent.get(slot) ?? 0;
    this.#spent.delete(slot);
    return Math.round(spent);
  }

  #add() {
    const now = this.now();
    if (this.#slot !== null) this.#spent.set(this.#slot, (this.#spent.get(this.#slot) ?? 0) + now - this.#since);
    this.#since = now;
  }
}

/**
 * What a key does on the test page, or null. Keys with a modifier are the browser's, letters in a text field are text, and the
 * arrows belong to the answers while one of them has the focus.
 */
export function shortcut({ key, modified, target, options }) {
  if (modified || target === "text") return null;
  const name = key.length === 1 ? key.toLowerCase() : key;
  if (target !== "radio" && name === "ArrowRight") return { act: "next" };
  if (target !== "radio" && name === "ArrowLeft") return { act: "previous" };
  const position = /^[1-9]$/.test(name) ? Number(name) - 1 : /^[a-e]$/.test(name) ? name.charCodeAt(0) - 97 : -1;
  if (position >= 0) return position < options ? { act: "choose", position } : null;
  return { n: { act: "next" }, p: { act: "previous" }, f: { act: "flag" }, t: { act: "time" } }[name] ?? null;
}

/** The line about saving: which sentence, and its number. Honest in both directions. */
export function savedLine({ waiting, oldestMs, lastSavedAt, stuck, calmMs = 1500 }) {
  if (stuck > 0) return { key: "stuck", count: stuck };
  if (waiting > 0 && oldestMs > calmMs) return { key: "waiting", count: waiting };
  if (waiting > 0) return { key: "saving", count: waiting };
  return lastSavedAt ? { key: "saved", at: lastSavedAt } : { key: "ready" };
}
