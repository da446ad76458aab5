/** The proctor's console: puts link, queue, grid, one candidate and dialogs together. */
import * as acts from "./acts.js";
import { Api } from "./api.js";
import * as focus from "./focus.js";
import { Link, ServerClock } from "./link.js";
import { part, write } from "./page.js";
import { Pictures } from "./pictures.js";
import * as queue from "./queue.js";
import { acted, concern, counts, delta, isFinished, isPaused, longestUnseen, looked, nothing, noticed, risen, snapshot } from "./state.js";
import * as tiles from "./tiles.js";
import { capital, fromPage, span, timeOfDay } from "./words.js";

/** So many names are spoken one by one; more become a number. */
const SPOKEN_NAMES = 3;
const SPEAK_EACH_MS = 3_000;
/** Below this width the queue and one candidate take turns beside the grid. */
const BOTH_FIT = "(min-width: 100em)";

/** What one key does, or null: letters act only outside of text, without modifiers and where the proctor wants them. */
export function shortcut({ key, ctrlKey, altKey, metaKey, isComposing }, { typing, dialogOpen, wanted }) {
  if (ctrlKey || altKey || metaKey || isComposing || dialogOpen) return null;
  if (key === "Escape") return "back";
  if (typing || !wanted) return null;
  return { "/": "find", s: "sort", w: "waiting", n: "unseen", p: "pause", m: "message", t: "time", f: "flags", "?": "help" }[key] ?? null;
}

/** What is spoken about those whose need of a look has risen. */
export function spoken(say, found) {
  if (found.length > SPOKEN_NAMES) return say("spoken.many", { count: found.length });
  return found.map(({ name, code, words }) => say("spoken.one", { name, concern: words ?? say(`concern.${code}`) })).join(" ");
}

/** The address of the live socket from the page's own. */
export function socketAddress(path, page) {
  const address = new URL(path, page);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}

/** The proctor's own choices, kept by the browser where it allows that. */
function keep(storage, name, value) {
  try {
    storage.setItem(name, value);
  } catch {
    // A browser that keeps nothing still shows the console.
  }
}

function kept(storage, name) {
  try {
    return storage.getItem(name);
  } catch {
    return null;
  }
}

export function mount(element) {
  const settings = JSON.parse(document.getElementById("console").textContent);
  const say = fromPage();
  const language = document.documentElement.lang || undefined;
  const clock = new ServerClock();
  const api = new Api({ urls: settings.urls, token: document.querySelector('meta[name="csrf-token"]').content });
  const pictures = new Pictures(() => clock.now());
  const bar = document.querySelector(".console-bar");
  const lookedName = `tp.console.looked.${settings.session.id}`;
  let known = nothing();
  let concerns = new Map();
  let condition = "opening";
  let drawing = false;
  let queueWanted = kept(localStorage, "tp.console.queue") !== "folded";
  let toSpeak = new Map();
  let rowsBefore = null;

  known = { ...known, looked: new Map(JSON.parse(kept(sessionStorage, lookedName) ?? "[]")) };

  const desk = {
    settings,
    wantsKeys: () => wantsKeys.checked,
    say,
    language,
    api,
    pictures,
    me: settings.me,
    known: () => known,
    view: () => ({ now: clock.now(), news: known.news, pictures: pictures.drawnAt, live: condition === "live" }),
    concern: (row) => concerns.get(row.id) ?? { rank: 0, code: null },
    focused: () => one.id(),
    remembered: (name) => kept(localStorage, `tp.console.${name}`),
    remember: (name, value) => keep(localStorage, `tp.console.${name}`, value),
    ask: (act, id) => dialog.ask(act, id),
    open,
    close,
    subscribe: later,

    /** A row from the server, outside of the live socket. */
    heard(row) {
      known = acted(known, row);
      later();
    },

    async act(row, name, fields) {
      const outcome = await api.act(row, name, fields);
      if (outcome.row) desk.heard(outcome.row);
      if (outcome.kind === "done") {
        write(part(element, "outcome"), say(`done.${name}`, { name: row.name }));
        if (one.id() === row.id) one.reload();
      }
      return outcome;
    },

    async decide(id, flag, name, note) {
      const outcome = await api.decide(id, flag, name, note);
      if (outcome.row) desk.heard(outcome.row);
      if (outcome.kind === "done") write(part(element, "outcome"), say(`done.${name}`, { name: outcome.row.name }));
      return outcome;
    },
  };

  const one = focus.mount(part(document, "focus"), desk);
  const dialog = acts.mount(document.getElementById("act"), desk);
  const line = queue.mount(part(document, "waiting"), desk);
  const grid = tiles.mount(part(document, "tiles"), desk);

  const link = new Link({
    url: socketAddress(settings.live, location.href),
    api,
    clock,
    on: {
      snapshot(message) {
        known = snapshot(known, message);
        later();
      },
      delta(message) {
        known = delta(known, message);
        if (message.touched?.length) one.touched(message.touched);
        if (one.id() !== null && known.news.has(one.id())) look(one.id());
        later();
      },
      frame: (attempt, _, picture) => pictures.frame(attempt, picture),
      condition(found) {
        condition = found;
        if (found === "live") pictures.forgive();
        else if (found !== "opening") one.reload();
        describeCondition();
        later();
      },
    },
  });

  // ---- One candidate

  function look(id) {
    known = looked(known, id, clock.now());
    keep(sessionStorage, lookedName, JSON.stringify([...known.looked]));
  }

  function open(id, from) {
    if (!known.rows.has(id)) return;
    look(id);
    part(document, "focus").hidden = false;
    document.body.dataset.focus = "open";
    one.open(id, from ?? document.activeElement);
    arrangePanels();
    later();
  }

  function close() {
    if (one.id() === null) return;
    look(one.id());
    const from = one.close();
    part(document, "focus").hidden = true;
    document.body.dataset.focus = "none";
    arrangePanels();
    if (from?.isConnected && from.offsetParent) from.focus();
    else grid.enter();
    later();
  }

  // ---- Panels

  const both = window.matchMedia(BOTH_FIT);
  both.addEventListener("change", arrangePanels);
  part(bar, "queue-switch").addEventListener("click", () => {
    const covered = one.id() !== null && !both.matches;
    queueWanted = covered || !queueWanted;
    desk.remember("queue", queueWanted ? "open" : "folded");
    if (covered) close();
    arrangePanels();
    if (covered) line.enter();
  });

  function arrangePanels() {
    const shown = queueWanted && (one.id() === null || both.matches);
    document.body.dataset.queue = shown ? "open" : "folded";
    part(document, "waiting").hidden = !shown;
    part(bar, "queue-switch").setAttribute("aria-expanded", String(shown));
  }

  // ---- What is shown

  /** Once for each frame of the screen, however much was heard. */
  function later() {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      refresh();
    });
  }

  function refresh() {
    const view = desk.view();
    const before = concerns;
    concerns = new Map([...known.rows.values()].map((row) => [row.id, concern(row, view)]));
    for (const id of risen(before, concerns)) if (id !== one.id()) toSpeak.set(id, { code: concerns.get(id).code });
    for (const { id, flag } of rowsBefore ? noticed(rowsBefore, known.rows) : []) {
      if (id !== one.id()) toSpeak.set(id, { words: capital(settings.flag_words[flag.signal] ?? settings.flag_words.other) });
    }
    if (known.rows.size) rowsBefore = known.rows;
    line.refresh();
    grid.refresh();
    one.refresh();
    dialog.refresh();
    describeBar(view);
    subscribe();
  }

  function subscribe() {
    const wanted = document.hidden ? [] : [...new Set([...grid.shown(), ...(part(document, "waiting").hidden ? [] : line.shown())])];
    const ids = wanted.filter((id) => known.rows.has(id) && !isFinished(known.rows.get(id)));
    const focused = document.hidden ? null : one.id();
    pictures.keep(focused === null ? ids : [...ids, focused]);
    link.subscribe(ids, focused);
  }

  function describeBar({ now }) {
    const found = counts(known);
    for (const name of ["in_progress", "paused", "finished"]) write(part(bar, name), String(found[name]));
    write(part(bar, "waiting-count"), String(found.waiting));
    part(bar, "queue-switch").classList.toggle("has-news", found.waiting > 0);
    write(part(bar, "clock"), timeOfDay(now, language));
    const unseen = longestUnseen(known, now);
    const button = part(document, "unseen");
    const long = unseen && now - unseen.since >= 60_000 && unseen.row.id !== one.id();
    button.hidden = !long;
    if (long) {
      write(button, say("unseen", { name: unseen.row.name, span: span(say, now - unseen.since) }));
      button.dataset.attempt = unseen.row.id;
    }
  }

  function describeCondition() {
    const notice = part(document, "notice");
    const bad = condition === "away" || condition === "cut-off" || condition === "signed-out";
    write(part(bar, "condition"), say(`condition.${condition}`));
    part(bar, "condition").dataset.condition = condition;
    write(part(notice, "sentence"), bad ? say(`notice.${condition}`) : "");
    part(notice, "again").hidden = condition !== "signed-out";
    notice.hidden = !bad;
  }

  // ---- The keyboard

  const wantsKeys = document.getElementById("shortcuts-on");
  wantsKeys.checked = desk.remembered("shortcuts") !== "off";
  wantsKeys.addEventListener("change", () => desk.remember("shortcuts", wantsKeys.checked ? "on" : "off"));

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=checkbox]), textarea, select") !== null;
    const found = shortcut(event, { typing, dialogOpen: document.querySelector("dialog[open]") !== null, wanted: wantsKeys.checked });
    if (!found || event.defaultPrevented) return;
    const id = one.id() ?? grid.standing();
    const row = known.rows.get(id);
    const does = {
      back: close,
      find: grid.find,
      sort: grid.sort,
      waiting() {
        if (part(document, "waiting").hidden) part(bar, "queue-switch").click();
        line.enter();
      },
      unseen: () => part(document, "unseen").hidden || part(document, "unseen").click(),
      pause: () => row && stopOrGo(row),
      message() {
        if (!row) return;
        if (one.id() !== id) open(id);
        one.write();
      },
      flags() {
        if (!row) return;
        if (one.id() !== id) open(id);
        one.showFlags();
      },
      time: () => row && !acts.unfit("give_time", row, settings.me) && dialog.ask("give_time", id),
      help: () => document.getElementById("help").showModal(),
    }[found];
    if (found !== "back") event.preventDefault();
    does();
  });

  function stopOrGo(row) {
    const act = isPaused(row) ? "resume" : "pause";
    if (!acts.unfit(act, row, settings.me)) dialog.ask(act, row.id);
  }

  part(document, "unseen").addEventListener("click", ({ currentTarget }) => open(Number(currentTarget.dataset.attempt), currentTarget));

  // ---- Time passes

  setInterval(later, 1_000);
  setInterval(() => {
    const found = [...toSpeak]
      .filter(([id, { words }]) => words || concerns.get(id)?.rank >= 2)
      .map(([id, what]) => ({ name: known.rows.get(id)?.name, ...what }))
      .filter(({ name }) => name);
    toSpeak = new Map();
    if (found.length) part(document, "spoken").textContent = spoken(say, found);
  }, SPEAK_EACH_MS);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) link.hurry();
    later();
  });
  window.addEventListener("online", () => link.hurry());
  window.addEventListener("pagehide", () => link.stop());
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());

  arrangePanels();
  describeCondition();
  link.start();
}
