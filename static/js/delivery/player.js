/**
 * The test page. One question at a time; every answer goes to the journal, from there to the server; the clock and the cover
 * follow what the server says. What each part decides stands in its own module; here they are put together.
 */

import { choose, crossOut, parts, savedLine, Sheet, shortcut, Stopwatch, tick } from "./answers.js";
import { Camera, mount as mountDoctor, selfView } from "./camera.js";
import { mount as mountComments } from "./comments.js";
import { mount as mountClock, pageHeardAt, ServerClock } from "./clock.js";
import { Contact, mount as mountCover, OVER } from "./contact.js";
import { attemptHeaders, backoff, call, sleep } from "./http.js";
import { merge, openJournal } from "./journal.js";
import { startLink } from "./link.js";
import { mount as mountMessages, newGrants, timeOfDay } from "./messages.js";
import { Sender } from "./sender.js";
import { mount as mountSettings } from "./settings.js";
import { localStore } from "./store.js";
import { watchPage } from "./watch.js";
import { counted, fill, pageLanguage, words as pageWords } from "./words.js";

const STATE_REQUEST_MS = 5_000;
const FLUSH_MS = 10_000;
// The server's own grace after the deadline; asking sooner would only hear "running".
const AFTER_TIME_MS = 1_000;

/** A small value of this attempt that outlives the page, such as how many messages were read. */
export function kept(store, name, attempt) {
  const key = `tp.${name}.${attempt}`;
  return {
    read() {
      try {
        return JSON.parse(store?.getItem(key) ?? "null");
      } catch {
        return null;
      }
    },
    write(value) {
      try {
        if (value === null) store?.removeItem(key);
        else store?.setItem(key, JSON.stringify(value));
      } catch {
        // Without it the page only repeats what it has said before.
      }
    },
  };
}

/** How long until the next `GET …/state`: steady while it works, soon after one that was lost, and quick while covered. */
export function stateDelay({ failures, covered, stateSeconds, random = Math.random }) {
  if (failures > 0) return 250 + backoff(failures, { first: 500, most: 5_000, random });
  return covered ? 2_000 : stateSeconds * 1000;
}

export async function mount(element) {
  const settings = JSON.parse(document.getElementById("player").textContent);
  const page = new Player(element, settings);
  if (await onlyTab(settings.attempt, () => page.block("other_tab"))) await page.start();
}

/** A button that does nothing now stays where it is and keeps the focus. */
function disable(button, disabled) {
  if (disabled) button.setAttribute("aria-disabled", "true");
  else button.removeAttribute("aria-disabled");
}

/** Two tabs would both number their answers; the second waits until the first is closed, then starts afresh. */
async function onlyTab(attempt, second) {
  const { locks } = navigator;
  if (!locks) return true;
  const name = `tp.attempt.${attempt}`;
  const mine = await new Promise((resolve) => {
    locks.request(name, { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock && new Promise(() => {});
    });
  });
  if (!mine) {
    second();
    locks.request(name, () => location.reload());
  }
  return mine;
}

class Player {
  constructor(element, settings) {
    this.root = element;
    this.settings = settings;
    this.words = pageWords();
    this.lang = pageLanguage();
    this.questions = [...element.querySelectorAll("[data-question]")];
    this.slots = this.questions.map((question) => Number(question.dataset.question));
    this.store = localStore();
    this.headers = attemptHeaders(settings.token);
    this.cover = mountCover(this.find("[data-cover]"), {
      questions: this.find("main"),
      around: [...document.querySelectorAll(".usa-skipnav, [data-behind-cover]")],
    });
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  /** Covers the test for a reason of the page's own, before anything else has started. */
  block(why) {
    this.cover.cover(why);
  }

  async start() {
    const { settings } = this;
    this.clock = new ServerClock({ serverNow: settings.server_now, heardAt: pageHeardAt() });
    const opened = await openJournal({ attempt: settings.attempt, epoch: settings.epoch, token: settings.token, key: settings.journal_key });
    this.journal = opened.journal;
    const { sheet, restore } = merge(settings.answers, this.journal.waiting, settings.epoch);
    this.sheet = new Sheet(this.slots, sheet);
    this.watch = new Stopwatch();

    this.sender = new Sender({ journal: this.journal, url: settings.urls.responses, token: settings.token, epoch: settings.epoch });
    this.contact = new Contact({
      mode: settings.mode,
      patienceMs: settings.patience_seconds * 1000,
      clock: this.clock,
      status: settings.status,
      deadline: settings.deadline,
      lastContact: settings.server_now,
      keep: kept(this.store, "covered", settings.attempt),
    });
    this.mountParts();
    this.listen();
    this.slots.forEach((slot) => this.draw(slot));
    this.go(kept(this.store, "question", settings.attempt).read() ?? this.slots[0], { focus: false });
    this.follow({ pause: settings.pause });
    this.contact.look();
    // The page comes covered ("Opening your test"), so that nothing can be answered before it can be kept.
    if (this.contact.why === null) this.cover.uncover(this.heading());
    for (const { slot, option } of restore) this.enter(slot, { state: "answered", option });
    this.sender.wake();
    this.poll();
    if (settings.media) this.startCamera(opened);
  }

  mountParts() {
    const { settings, words } = this;
    const dialog = (name) => document.getElementById(name);
    this.preferences = mountSettings(dialog("settings"), {
      shortcuts: settings.shortcuts,
      onChange: (values) => this.time.hide(values.hideClock),
    });
    this.time = mountClock(this.find("[data-clock]"), {
      clock: this.clock,
      deadline: settings.deadline,
      warningsMinutes: settings.warnings_minutes,
      returnsMinutes: settings.clock_returns_minutes,
      hidden: this.preferences.settings.hideClock,
      onHide: (hideClock) => this.preferences.change({ hideClock }),
      regions: { polite: this.find("[data-say-polite]"), assertive: this.find("[data-say-assertive]") },
      words: words.clock,
    });
    this.banner = this.bannerOf(this.find("[data-banner]"));
    this.messages = mountMessages(dialog("messages"), {
      banner: this.banner,
      counts: [...document.querySelectorAll("[data-unread]")],
      keep: kept(this.store, "read", settings.attempt),
      send: (text) => this.sendMessage(text),
      words: words.messages,
    });
    mountComments(this.find("[data-comments]"), { send: (comment) => this.sendComment(comment), words: words.comments });
    this.grants = kept(this.store, "grants", settings.attempt);
    this.notes = kept(this.store, "question", settings.attempt);
  }

  bannerOf(place) {
    const text = place.querySelector("[data-banner-text]");
    const open = place.querySelector("[data-banner-open]");
    const hide = () => {
      place.hidden = true;
      text.textContent = "";
    };
    open.addEventListener("click", () => this.messages.open());
    place.querySelector("[data-banner-close]").addEventListener("click", () => {
      hide();
      this.heading().focus();
    });
    return {
      hide,
      show(sentence, { message = true } = {}) {
        open.hidden = !message;
        place.hidden = false;
        // The region is on the page before the words are, or a screen reader would not notice them.
        requestAnimationFrame(() => (text.textContent = sentence));
      },
    };
  }

  listen() {
    const { root, sender, contact } = this;
    root.addEventListener("change", (event) => this.chosen(event.target));
    document.addEventListener("click", (event) => {
      const button = event.target.closest("[data-do]");
      if (button) this.act(button.dataset.do, button);
    });
    document.addEventListener("keydown", (event) => this.key(event));

    sender.listen(window);
    sender.addEventListener("change", () => this.drawSaved());
    sender.addEventListener("reply", ({ detail }) => this.heard(detail));
    sender.addEventListener("moved", () => contact.cover("moved"));
    sender.addEventListener("sign-in", () => contact.cover("sign_in"));
    sender.addEventListener("late", ({ detail }) => this.tell(counted(this.words.late, detail.seqs.length, {}, this.lang)));
    setInterval(() => this.drawSaved(), 1000);

    contact.addEventListener("cover", ({ detail }) => this.covered(detail.why));
    contact.addEventListener("change", ({ detail }) => this.covered(detail.why));
    contact.addEventListener("uncover", () => this.uncovered());

    window.addEventListener("online", () => this.poll());
    window.addEventListener("pageshow", (event) => event.persisted && location.reload());
    document.addEventListener("visibilitychange", () => {
      this.watch.show(document.hidden || contact.why ? null : this.current);
      if (!document.hidden) this.poll();
    });
    setInterval(() => this.clock.slept() && (contact.look(), this.poll()), 1000);
  }

  /* Answers */

  question(slot) {
    return this.questions[this.slots.indexOf(slot)];
  }

  heading() {
    return this.current ? this.question(this.current).querySelector("h2") : this.find("[data-review] h2");
  }

  /** Writes one event of the candidate, shows it at once, and hands it to the sender. */
  enter(slot, event) {
    this.sheet.apply(slot, event);
    this.draw(slot);
    return this.sender.note({ slot, option: null, ...event, elapsed_ms: this.watch.take(slot) });
  }

  chosen(input) {
    if (!input.matches("[data-option]")) return;
    const { question, most } = input.closest("[data-question]").dataset;
    const slot = Number(question);
    const answer = this.sheet.of(slot);
    const events = input.type === "checkbox" ? tick(answer, input.value, most ? Number(most) : undefined) : choose(answer, input.value);
    for (const event of events) this.enter(slot, event);
    if (!events.length) this.draw(slot);
    this.say("");
    this.note(slot, events.length ? "" : counted(this.words.enough, Number(most), {}, this.lang));
  }

  toggleFlag() {
    if (!this.current) return;
    const { flagged } = this.sheet.of(this.current);
    this.enter(this.current, { state: flagged ? "unflagged" : "flagged" });
    this.say(flagged ? this.words.flag.off : this.words.flag.on);
  }

  clear() {
    if (this.sheet.of(this.current).option === null) return;
    this.enter(this.current, { state: "cleared" });
    this.say(this.words.cleared);
    this.heading().focus();
  }

  strike(button) {
    const slot = this.current;
    const { event, keeps } = crossOut(this.sheet.of(slot), button.dataset.option);
    this.enter(slot, event);
    this.note(slot, keeps ? fill(this.words.struckChosen, { letter: button.dataset.letter }) : "");
  }

  note(slot, sentence) {
    this.question(slot).querySelector("[data-note]").textContent = sentence;
  }

  /** Brings the page in line with the sheet, for one question. */
  draw(slot) {
    const { option, flagged, struck } = this.sheet.of(slot);
    const question = this.question(slot);
    const chosen = parts(option);
    for (const input of question.querySelectorAll("input[data-option]")) {
      input.checked = chosen.includes(input.value);
      const row = input.closest(".option");
      const crossed = struck.includes(input.value);
      row.toggleAttribute("data-struck", crossed);
      row.querySelector("[data-crossed]").hidden = !crossed;
      const button = row.querySelector('[data-do="strike"]');
      button.setAttribute("aria-pressed", String(crossed));
      button.querySelector("[data-strike-word]").textContent = crossed ? this.words.strike.undo : this.words.strike.do;
    }
    question.querySelector("[data-flag-mark]").hidden = !flagged;
    question.querySelector('[data-do="clear"]').hidden = option === null;
    if (option === null) this.note(slot, "");
    this.drawNavigator(slot);
    if (slot === this.current) this.drawMoves();
    const { answered } = this.sheet;
    this.find("[data-answered]").textContent = fill(this.words.answeredOf, { answered: answered.length, items: this.slots.length });
    this.find("[data-progress]").value = answered.length;
    if (!this.current) this.drawReview();
  }

  drawNavigator(slot) {
    const { option, flagged } = this.sheet.of(slot);
    for (const button of this.root.querySelectorAll(`#navigator [data-go="${slot}"]`)) {
      button.dataset.state = option === null ? "unanswered" : "answered";
      button.toggleAttribute("data-flagged", flagged);
      if (slot === this.current) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
      const { states } = this.words;
      const said = [option === null ? states.unanswered : states.answered, flagged && states.flagged].filter(Boolean).join(", ");
      button.querySelector("[data-qnum-state]").textContent = said;
    }
  }

  drawMoves() {
    const position = this.slots.indexOf(this.current);
    const { moves } = this.words;
    disable(this.find('[data-do="previous"]'), position === 0);
    this.find("[data-next-word]").textContent = position === this.slots.length - 1 ? moves.review : moves.next;
    const flag = this.find('[data-do="flag"]');
    disable(flag, !this.current);
    flag.setAttribute("aria-pressed", String(Boolean(this.current && this.sheet.of(this.current).flagged)));
    disable(this.find('[data-do="next"]'), !this.current);
    this.find("[data-place]").textContent = this.current
      ? fill(this.words.place, { number: position + 1, items: this.slots.length })
      : this.words.reviewPlace;
  }

  drawSaved() {
    const { waitingCount: waiting, oldestWaitingMs: oldestMs, lastSavedAt, stuckCount: stuck } = this.sender;
    const { key, count, at } = savedLine({ waiting, oldestMs, lastSavedAt, stuck });
    const { saved } = this.words;
    const values = at ? { time: timeOfDay(at, this.lang, true) } : {};
    const sentence = count === undefined ? fill(saved[key], values) : counted(saved[key], count, {}, this.lang);
    this.put("[data-saved]", sentence);
    this.find("[data-saved-line]").dataset.state = key === "waiting" || key === "stuck" ? "waiting" : "saved";
    // Read aloud only when it turns: that answers wait, and that they are saved again.
    if (key !== this.savedKey && key !== "saving") {
      const turned = key === "waiting" || key === "stuck" || (key === "saved" && this.savedKey === "waiting");
      if (turned) this.find("[data-say-saved]").textContent = key === "saved" ? saved.again : sentence;
      this.savedKey = key;
    }
    this.drawSending();
  }

  drawSending() {
    const waiting = this.sender.waitingCount;
    const { safe } = this.words;
    const kept = waiting === 0 ? safe.server : safe[this.journal.keeps];
    const { stuckCount } = this.sender;
    const sending = stuckCount ? this.words.saved.stuck : this.words.sending;
    this.put("[data-sending]", waiting ? counted(sending, stuckCount || waiting, {}, this.lang) : this.words.sent);
    this.put("[data-kept]", kept);
  }

  /** Writes a sentence where it is not there yet: the same words again would be read aloud again. */
  put(selector, sentence) {
    for (const place of this.root.querySelectorAll(selector)) if (place.textContent !== sentence) place.textContent = sentence;
  }

  say(sentence) {
    this.find("[data-say-polite]").textContent = sentence;
  }

  /** Something the candidate should know and can put away. */
  tell(sentence) {
    this.banner.show(sentence, { message: false });
  }

  /* Moving about */

  go(slot, { focus = true } = {}) {
    const target = this.slots.includes(slot) ? slot : this.slots[0];
    const before = this.current;
    this.current = target;
    this.find("[data-review]").hidden = true;
    this.questions.forEach((question) => (question.hidden = Number(question.dataset.question) !== target));
    this.arrive(before, focus);
    this.notes.write(target);
  }

  review() {
    document.getElementById("navigator").close();
    const before = this.current;
    this.current = null;
    this.questions.forEach((question) => (question.hidden = true));
    this.find("[data-review]").hidden = false;
    this.drawReview();
    this.arrive(before, true);
  }

  arrive(before, focus) {
    this.watch.show(this.contact.why || document.hidden ? null : this.current);
    for (const slot of [before, this.current]) if (slot) this.drawNavigator(slot);
    this.drawMoves();
    this.say("");
    if (!focus) return;
    window.scrollTo(0, 0);
    this.heading().focus({ preventScroll: true });
  }

  step(by) {
    // The review stands after the last question.
    const here = this.current ? this.slots.indexOf(this.current) : this.slots.length;
    const position = Math.min(here + by, this.slots.length);
    if (position === here) return;
    if (position >= this.slots.length) this.review();
    else if (position >= 0) this.go(this.slots[position]);
  }

  drawReview() {
    const { unanswered, answered, flagged } = this.sheet;
    for (const [name, list] of Object.entries({ answered, unanswered, flagged })) {
      this.find(`[data-count="${name}"]`).textContent = list.length;
    }
    for (const [name, list] of Object.entries({ unanswered, flagged })) {
      const place = this.find(`[data-list="${name}"]`);
      const found = list.map((slot) => this.linkTo(slot));
      place.replaceChildren(...found);
      this.find(`[data-when="${name}"]`).hidden = found.length === 0;
    }
    this.find('[data-when="complete"]').hidden = unanswered.length > 0;
  }

  linkTo(slot) {
    const item = document.createElement("li");
    item.append(this.find("[data-qnum-template]").content.cloneNode(true));
    const button = item.querySelector("button");
    button.dataset.go = slot;
    button.querySelector("[data-qnum-number]").textContent = this.slots.indexOf(slot) + 1;
    const { option, flagged } = this.sheet.of(slot);
    button.dataset.state = option === null ? "unanswered" : "answered";
    button.toggleAttribute("data-flagged", flagged);
    return item;
  }

  act(name, button) {
    // What stands on the cover or over it works at any time; the test itself only while it is shown.
    const always = { messages: () => this.messages.open(), camera: () => this.openCamera?.(), reload: () => location.reload(), back: () => this.cancelSubmit?.() };
    if (always[name]) return always[name]();
    if (this.contact.why !== null) return undefined;
    return {
      previous: () => this.step(-1),
      next: () => this.step(1),
      flag: () => this.toggleFlag(),
      clear: () => this.clear(),
      strike: () => this.strike(button),
      review: () => this.review(),
      go: () => this.jump(Number(button.dataset.go)),
      time: () => this.time.ask(),
      ask_submit: () => this.askSubmit(),
      submit: () => this.submit(),
    }[name]?.();
  }

  jump(slot) {
    document.getElementById("navigator").close();
    this.go(slot);
  }

  key(event) {
    if (!this.preferences.settings.shortcuts || event.defaultPrevented || this.contact.why !== null) return;
    if (document.querySelector("dialog[open]")) return;
    const { target } = event;
    const kind = target.matches("input[type=radio]") ? "radio" : target.matches("input:not([type=checkbox]), textarea, select") ? "text" : "page";
    const inputs = this.current ? [...this.question(this.current).querySelectorAll("input[data-option]")] : [];
    const found = shortcut({ key: event.key, modified: event.ctrlKey || event.altKey || event.metaKey, target: kind, options: inputs.length });
    if (!found) return;
    event.preventDefault();
    if (found.act !== "choose") return void this.act(found.act);
    const input = inputs[found.position];
    input.focus();
    if (input.type === "checkbox" || !input.checked) input.click();
  }

  /* What the server says */

  /** A reply with its times: it sets the clock, it is contact, and it says how the attempt stands. */
  heard({ sent, received, body }) {
    this.clock.hear({ sent, received, serverNow: body.server_now });
    this.follow(body);
  }

  follow({ server_now: serverNow, status, deadline, pause, messages, time_given: grants }) {
    if (OVER.has(status)) return this.finish();
    this.contact.heard({ serverNow, status, deadline });
    this.time.update({ deadline: this.contact.deadline });
    if (pause !== undefined) this.showPause(pause);
    this.messages.add(messages);
    if (grants) this.tellGrants(grants);
    return undefined;
  }

  showPause(pause) {
    for (const name of ["paused", "waiting"]) {
      const place = this.cover.panel(name).querySelector("[data-reason]");
      place.hidden = !pause?.reason;
      place.querySelector("[data-reason-text]").textContent = pause?.reason ?? "";
    }
  }

  tellGrants(grants) {
    const told = this.grants.read() ?? 0;
    const minutes = newGrants(grants, told).reduce((sum, grant) => sum + grant.minutes, 0);
    if (minutes > 0) this.tell(counted(this.words.timeGiven, minutes, {}, this.lang));
    if (grants.length !== told) this.grants.write(grants.length);
  }

  /** Asks how the attempt stands, again and again; one at a time. */
  async poll() {
    if (this.polling || this.finished) return;
    this.polling = true;
    clearTimeout(this.pollTimer);
    try {
      await this.askState();
      this.failures = 0;
    } catch {
      this.failures = (this.failures ?? 0) + 1;
    }
    this.polling = false;
    const covered = this.contact.why !== null;
    const wait = stateDelay({ failures: this.failures, covered, stateSeconds: this.settings.state_seconds });
    this.pollTimer = setTimeout(() => this.poll(), wait);
  }

  async askState() {
    const query = new URLSearchParams({ device: this.journal.device, messages: this.messages.last });
    const reply = await call(`${this.settings.urls.state}?${query}`, { headers: this.headers, timeout: STATE_REQUEST_MS });
    if (reply.status === 401) return this.contact.cover("sign_in");
    if (!reply.body?.server_now) throw new Error(`no state (${reply.status})`);
    if (reply.body.status === "moved") this.contact.cover("moved");
    this.heard(reply);
    this.sender.wake({ again: true });
    if (this.contact.owed && !this.finished) await this.resume();
    return undefined;
  }

  /** Contact is back: first the answers that waited, then the span in which the questions were covered. */
  async resume() {
    await this.sender.flush(FLUSH_MS);
    const json = { device: this.journal.device, epoch: this.settings.epoch, covered_at: Math.round(this.contact.coveredAt) };
    const reply = await call(this.settings.urls.resume, { method: "POST", headers: this.headers, json });
    if (reply.body?.status === "moved") return this.contact.cover("moved");
    if (reply.status !== 200 || !reply.body?.status) throw new Error(`not resumed (${reply.status})`);
    if (reply.body.status !== "covered") this.contact.resumed();
    this.heard(reply);
    return undefined;
  }

  async sendMessage(text) {
    const reply = await call(this.settings.urls.messages, { method: "POST", headers: this.headers, json: { text } });
    if (reply.status !== 201) throw new Error(`message not taken (${reply.status})`);
    return reply.body;
  }

  async sendComment(json) {
    const reply = await call(this.settings.urls.comments, { method: "POST", headers: this.headers, json });
    if (reply.status !== 201) throw new Error(`comment not taken (${reply.status})`);
  }

  covered(why) {
    this.watch.show(null);
    this.cover.cover(OVER.has(why) ? "submitting" : why);
    this.time.update({ stopped: why === "contact" || why === "paused" || why === "waiting" });
    this.drawSending();
    clearTimeout(this.pollTimer);
    if (why === "time") this.timeIsUp();
    // The next question to the server comes soon, as the way back depends on it.
    this.pollTimer = setTimeout(() => this.poll(), why === "time" ? AFTER_TIME_MS : 1000);
  }

  uncovered() {
    this.time.update({ stopped: false });
    this.cover.uncover(this.heading());
    this.watch.show(document.hidden ? null : this.current);
    this.say(this.words.backAgain);
  }

  /** The deadline has come. The server closes the attempt; the page sends what it has and waits for that. */
  timeIsUp() {
    this.sender.flush().catch(() => {});
  }

  /* Handing in */

  askSubmit() {
    const { answered, unanswered, flagged } = this.sheet;
    const dialog = document.getElementById("confirm");
    const { confirm } = this.words;
    const lines = [
      fill(confirm.answered, { answered: answered.length, items: this.slots.length }),
      unanswered.length ? counted(confirm.unanswered, unanswered.length, {}, this.lang) : confirm.complete,
      flagged.length ? counted(confirm.flagged, flagged.length, {}, this.lang) : null,
    ];
    dialog.querySelector("[data-confirm]").replaceChildren(
      ...lines.filter(Boolean).map((line) => Object.assign(document.createElement("li"), { textContent: line })),
    );
    dialog.showModal();
  }

  async submit() {
    document.getElementById("confirm").close();
    let givenUp = false;
    this.cancelSubmit = () => {
      givenUp = true;
      this.contact.cover(null);
      this.poll();
    };
    this.contact.cover("submitting");
    const back = this.find("[data-cover] [data-do=back]");
    back.hidden = false;
    for (let tries = 0; !givenUp && !this.finished; tries += 1) {
      if (!(await this.sender.flush(FLUSH_MS)) || givenUp) continue;
      back.hidden = true;
      if (await this.sendSubmit()) return;
      back.hidden = false;
      await sleep(500 + backoff(tries, { first: 500, most: 5_000 }));
    }
  }

  /** True once the server has the test, or another device has it. */
  async sendSubmit() {
    try {
      const json = { device: this.journal.device, epoch: this.settings.epoch };
      const { status, body } = await call(this.settings.urls.submit, { method: "POST", headers: this.headers, json });
      if (status === 200 && body?.status === "submitted") return this.finish(body.receipt);
      if (body?.status === "moved") return this.contact.cover("moved") ?? true;
      if (status === 409) return this.notNow();
      if (status === 401) return this.contact.cover("sign_in") ?? true;
    } catch {
      return false;
    }
    return false;
  }

  /** Nothing can be handed in while the clock stands still. After a loss of contact it soon runs again; else the candidate reads why. */
  async notNow() {
    await this.askState();
    if (this.contact.status !== "paused" && this.contact.status !== "waiting") return false;
    this.cancelSubmit();
    this.tell(this.words.notHandedIn);
    return true;
  }

  /** The attempt is over: what still waits is sent, then the receipt. */
  async finish(receipt = this.settings.urls.receipt) {
    if (this.finished) return true;
    this.finished = true;
    clearTimeout(this.pollTimer);
    this.contact.cover("submitting");
    this.endWatching?.();
    // An answer that comes after the end is kept as late, and a person looks at it: it must still arrive.
    await this.sender.flush(FLUSH_MS);
    await this.link?.drain(2_000);
    this.link?.stop();
    this.camera?.close();
    location.assign(receipt);
    return true;
  }

  /* Camera and live socket */

  async startCamera({ db, cipher }) {
    this.camera = new Camera();
    const trouble = this.find("[data-camera-trouble]");
    const doctor = mountDoctor(document.querySelector("#camera-help [data-doctor]"), {
      camera: this.camera,
      open: (deviceId) => this.openCamera(deviceId),
      words: this.words.camera,
    });
    const onCamera = (state, error) => {
      const works = state === "open" || state === "back";
      trouble.hidden = works;
      if (works) {
        selfView(this.root, this.camera);
        doctor.hide();
      } else if (error) {
        // Shown where it does not take the question away; the focus stays with the test.
        doctor.fill(error);
      }
    };
    const { link, open } = await startLink({
      attempt: this.settings.attempt,
      ticketUrl: this.settings.ticket_url,
      db,
      cipher,
      device: this.journal.device,
      clock: this.clock,
      camera: this.camera,
      onCamera,
      waiting: () => this.sender.waitingCount,
      answerWaitingMs: () => this.sender.oldestWaitingMs,
    });
    this.link = link;
    this.openCamera = open;
    link.addEventListener("contact", ({ detail }) => this.heard(detail));
    link.addEventListener("sync", () => this.poll());
    link.addEventListener("message", ({ detail }) => this.messages.add([detail]));
    this.endWatching = watchPage((kind, data) => link.note(kind, data));
  }
}
