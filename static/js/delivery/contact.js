/**
 * When the questions are covered, and when they come back. The page and the server do the same arithmetic on
 * `last_contact`, so both name the same instant; time in which questions were visible is never given back.
 */

/** The instant at which silence becomes a loss of contact. */
export function silentFrom(lastContact, patienceMs) {
  return lastContact + patienceMs;
}

export const OVER = new Set(["submitted", "ended"]);

/**
 * Why the questions are covered now, or null when they are shown. `owed`: the page was covered for lost contact
 * and the server has not yet said that the clock runs again.
 */
export function reason({ mode, status, serverNow, lastContact, patienceMs, deadline, owed }) {
  if (OVER.has(status) || status === "moved") return status;
  if (status === "paused" || status === "waiting") return status;
  if (status === "covered") return "contact";
  if (mode !== "facility" && (owed || serverNow >= silentFrom(lastContact, patienceMs))) return "contact";
  if (deadline != null && serverNow >= deadline) return "time";
  return null;
}

/** Milliseconds until `reason` can next change by the clock alone; null when only the server can change it. */
export function nextLook({ mode, status, serverNow, lastContact, patienceMs, deadline }) {
  if (status !== "running") return null;
  const instants = [];
  if (mode !== "facility") instants.push(silentFrom(lastContact, patienceMs));
  if (deadline != null) instants.push(deadline);
  const ahead = instants.filter((instant) => instant > serverNow);
  return ahead.length ? Math.min(...ahead) - serverNow : null;
}

/** The instant from which the questions were covered, kept over a reload: a page that starts again starts covered. */
export function coveredAt({ kept, now }) {
  return kept != null && kept <= now ? kept : now;
}

/** Events: `cover` {why, at}, `change` {why} when the reason changes under the cover, `uncover`. */
export class Contact extends EventTarget {
  why = null;
  #timer = null;

  constructor({ mode, patienceMs, clock, status, deadline, lastContact, keep }) {
    super();
    Object.assign(this, { mode, patienceMs, clock, status, deadline, lastContact, keep });
    const kept = keep?.read() ?? null;
    this.owed = mode !== "facility" && (status === "covered" || (status === "running" && kept != null));
    this.coveredAt = this.owed ? coveredAt({ kept, now: clock.now() }) : null;
    if (this.owed) keep?.write(this.coveredAt);
    // Something of the page's own, such as a second tab or the way to the receipt, that outranks the rest.
    this.own = null;
  }

  /**
   * Any reply of the server is contact; most also say how the attempt stands. Both are taken in before looking, or an old
   * status beside a new contact would cover the questions once more.
   */
  heard({ serverNow, status, deadline }) {
    if (Number.isFinite(serverNow)) this.lastContact = Math.max(this.lastContact, serverNow);
    if (status) this.status = status;
    if (deadline != null) this.deadline = deadline;
    if (status === "covered" && this.mode !== "facility") this.#owe();
    this.look();
  }

  /** The server took note of the covered span; `running` among its answers lets the questions come back. */
  resumed() {
    this.owed = false;
    this.coveredAt = null;
    this.keep?.write(null);
  }

  cover(why) {
    this.own = why;
    this.look();
  }

  look() {
    clearTimeout(this.#timer);
    const facts = { ...this.facts, serverNow: this.clock.now() };
    const why = this.own ?? reason(facts);
    if (why === "contact") this.#owe();
    if (why !== this.why) {
      const before = this.why;
      this.why = why;
      const type = why === null ? "uncover" : before === null ? "cover" : "change";
      this.dispatchEvent(new CustomEvent(type, { detail: { why, before, at: this.clock.now() } }));
    }
    const wait = nextLook(facts);
    // Timers can be late by much on a hidden page; a quarter of a second bounds it on a visible one.
    if (wait != null) this.#timer = setTimeout(() => this.look(), Math.min(wait, 250));
  }

  /** No more looking by the clock; the next reply starts it again. */
  rest() {
    clearTimeout(this.#timer);
  }

  get facts() {
    const { mode, status, lastContact, patienceMs, deadline, owed } = this;
    return { mode, status, lastContact, patienceMs, deadline, owed };
  }

  #owe() {
    if (this.owed) return;
    this.owed = true;
    this.coveredAt = this.clock.now();
    this.keep?.write(this.coveredAt);
  }
}

/**
 * The cover: `element` holds one panel for each reason (`data-panel`). `questions` leave the page altogether for eyes, keyboard
 * and screen readers; `around` (bars, footer) lies behind it and cannot be reached. The panel takes the focus, so its words are read.
 */
export function mount(element, { questions, around = [] }) {
  let focusBack = null;
  const panels = [...element.querySelectorAll("[data-panel]")];
  const panel = (why) => panels.find((part) => part.dataset.panel === why);

  function turn(covered) {
    questions.hidden = covered;
    for (const part of [questions, ...around]) part.inert = covered;
    element.hidden = !covered;
  }

  return {
    panel,
    cover(why) {
      if (element.hidden) focusBack = document.activeElement;
      // An open dialog would lie over the cover and keep the focus.
      for (const dialog of document.querySelectorAll("dialog[open]:not([data-over-cover])")) dialog.close();
      turn(true);
      for (const part of panels) part.hidden = part !== panel(why);
      element.classList.toggle("cover--paused", why === "paused" || why === "waiting");
      panel(why).querySelector("h1").focus();
    },
    uncover(fallback) {
      turn(false);
      (focusBack?.isConnected && questions.contains(focusBack) ? focusBack : fallback)?.focus();
      focusBack = null;
    },
  };
}
