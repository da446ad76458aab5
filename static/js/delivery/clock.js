/** The clock on the page. It shows what the server says; it decides nothing. */

import { counted, fill, pageLanguage, words as pageWords } from "./words.js";

export function secondsLeft(deadline, serverNow) {
  return Math.max(0, Math.ceil((deadline - serverNow) / 1000));
}

/** 9:05, 1:00:00. */
export function display(seconds) {
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = String(seconds % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${String(minutes).padStart(2, "0")}:${rest}`;
}

/**
 * The warning to give when the time left went from `before` to `after` seconds: the lowest one passed, so that a computer
 * that slept hears one and not four. Null when none was passed.
 */
export function warningPassed(before, after, warningsMinutes) {
  const passed = warningsMinutes.filter((minutes) => before > minutes * 60 && after <= minutes * 60 && after > 0);
  return passed.length ? Math.min(...passed) : null;
}

/** A hidden clock comes back by itself near the end. */
export function isShown({ hidden, seconds, returnsMinutes }) {
  return !hidden || seconds <= returnsMinutes * 60;
}

/** "1 hour 5 minutes": minutes are rounded up while there are any, seconds are said in the last one. */
export function spoken(seconds, words, lang = "en") {
  if (seconds < 60) return counted(words.seconds, seconds, {}, lang);
  const minutes = Math.ceil(seconds / 60);
  const parts = [];
  if (minutes >= 60) parts.push(counted(words.hours, Math.floor(minutes / 60), {}, lang));
  if (minutes % 60) parts.push(counted(words.minutes, minutes % 60, {}, lang));
  return parts.join(" ");
}

/** The exchange with the shortest round trip says most exactly what time it is over there. */
export function best(samples) {
  return samples.reduce((chosen, sample) => (sample.received - sample.sent < chosen.received - chosen.sent ? sample : chosen));
}

export function offsetOf({ sent, received, serverNow }) {
  return serverNow - (sent + received) / 2;
}

const KEEP_SAMPLES_MS = 600_000;
const JUMP_MS = 2_000;

/** The server's time as this page reckons it: a steady counter and an offset, never the computer's own wall clock. */
export class ServerClock {
  #samples = [];
  #guess;

  /** `serverNow` was true at `heardAt` of the steady counter: good enough until the first exchange. */
  constructor({ now = () => performance.now(), wall = Date.now, serverNow, heardAt = now() } = {}) {
    this.steady = now;
    this.wall = wall;
    this.#guess = serverNow === undefined ? this.#ahead() : serverNow - heardAt;
    this.drift = this.#ahead();
  }

  hear({ sent, received, serverNow }) {
    if (!Number.isFinite(serverNow)) return;
    const since = received - KEEP_SAMPLES_MS;
    this.#samples = [...this.#samples.filter((sample) => sample.received > since), { sent, received, serverNow }];
  }

  get offset() {
    return this.#samples.length ? offsetOf(best(this.#samples)) : this.#guess;
  }

  now() {
    return this.steady() + this.offset;
  }

  /**
   * True once after the computer slept: steady counters may stand still meanwhile. Until the next reply the span is
   * taken from the wall clock, and earlier exchanges say nothing any more.
   */
  slept() {
    const behind = this.#ahead() - this.drift;
    this.drift = this.#ahead();
    if (behind <= JUMP_MS) return false;
    this.#guess = this.offset + behind;
    this.#samples = [];
    return true;
  }

  #ahead() {
    return this.wall() - this.steady();
  }
}

/** When the page's first byte came, in the steady counter: the instant at which its `server_now` was true. */
export function pageHeardAt(performance = globalThis.performance) {
  return performance.getEntriesByType("navigation")[0]?.responseStart ?? performance.now();
}

const SHOW_WARNING_MS = 30_000;
const PEEK_MS = 10_000;

/**
 * Shows the time left in `element` and speaks at the warnings in `regions` ({polite, assertive}, live regions that stand
 * outside of what is ever covered). Returns what the player steers it with.
 * Without `clock` it runs on `data-deadline` and `data-server-now` of the element.
 */
export function mount(element, { clock, deadline, warningsMinutes = [30, 10, 5, 1], returnsMinutes = 5, hidden = false, onHide = () => {}, regions = {}, words = pageWords().clock } = {}) {
  const lang = pageLanguage();
  if (!clock) {
    clock = new ServerClock({ serverNow: Number(element.dataset.serverNow) || undefined, heardAt: pageHeardAt() });
    deadline ??= Number(element.dataset.deadline) || null;
  }
  const part = (name) => element.querySelector(`[data-clock-${name}]`);
  const time = part("time") ?? element;
  const toggle = part("toggle");
  const state = { deadline, stopped: false, hidden, before: null, warnedAt: 0, peekUntil: 0 };

  function say(text, assertive = false) {
    const region = regions[assertive ? "assertive" : "polite"];
    if (!region) return;
    region.textContent = "";
    // Emptied first, so that the same words are spoken a second time when they are asked for again.
    requestAnimationFrame(() => (region.textContent = text));
    state.warnedAt = clock.now();
  }

  function draw() {
    const seconds = state.deadline == null ? null : secondsLeft(state.deadline, clock.now());
    const shown = seconds == null || state.stopped || isShown({ hidden: state.hidden && clock.now() > state.peekUntil, seconds, returnsMinutes });
    const text = state.stopped ? words.stopped : seconds == null ? "–" : display(seconds);
    if (time.textContent !== text) time.textContent = text;
    element.toggleAttribute("data-hidden", !shown);
    if (toggle) {
      toggle.hidden = state.stopped || seconds == null || seconds <= returnsMinutes * 60;
      const wanted = shown ? words.hide : words.show;
      if (toggle.textContent.trim() !== wanted) toggle.textContent = wanted;
    }
    if (seconds != null && !state.stopped) {
      const warning = state.before == null ? null : warningPassed(state.before, seconds, warningsMinutes);
      if (warning != null) say(fill(words.left, { time: spoken(warning * 60, words, lang) }), warning <= 1);
      state.before = seconds;
    }
    if (state.warnedAt && clock.now() - state.warnedAt > SHOW_WARNING_MS) {
      state.warnedAt = 0;
      for (const region of Object.values(regions)) region.textContent = "";
    }
  }

  /** A hidden clock shows itself for a moment when it is asked. */
  function ask() {
    state.peekUntil = clock.now() + PEEK_MS;
    draw();
    if (state.stopped) return say(words.stopped);
    if (state.deadline != null) say(fill(words.left, { time: spoken(secondsLeft(state.deadline, clock.now()), words, lang) }));
  }

  function hide(hidden) {
    state.hidden = hidden;
    draw();
  }

  toggle?.addEventListener("click", () => {
    hide(!state.hidden);
    onHide(state.hidden);
  });
  draw();
  const ticking = setInterval(draw, 250);
  return {
    ask,
    hide,
    say,
    update({ deadline = state.deadline, stopped = state.stopped }) {
      Object.assign(state, { deadline, stopped });
      draw();
    },
    stop: () => clearInterval(ticking),
  };
}
