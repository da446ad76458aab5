/**
 * Sends the journal to the server: one request at a time, at once on every answer, and again with growing
 * pauses until it is through. Pictures and pushes have nothing to do with it.
 */

import { attemptHeaders, backoff, call } from "./http.js";

export const BATCH = 100;
const REQUEST_MS = 12_000;
const STUCK_MS = 15_000;

/**
 * The next events to send: the oldest of one device and one epoch, at most `size`. `stuck` holds labels of events that
 * the server could not read; they stay in the journal and must not hold up the rest.
 */
export function nextBatch(events, size = BATCH, stuck = new Set()) {
  const usable = events.filter((event) => !stuck.has(labelOf(event)));
  if (!usable.length) return null;
  const { device, epoch, token } = usable[0];
  const chosen = usable.filter((event) => event.device === device && event.epoch === epoch).slice(0, size);
  return { device, epoch, token, events: chosen };
}

export const labelOf = ({ device, seq }) => `${device}/${seq}`;

export function payload({ device, epoch, events }) {
  return { device, epoch, events: events.map(({ seq, slot, option, state, elapsed_ms }) => ({ seq, slot, option, state, elapsed_ms })) };
}

/** What a reply to a batch means for the journal. */
export function verdict({ status, body }) {
  if (status === 200 && Number.isInteger(body?.acked)) return "stored";
  if (status === 422 && Array.isArray(body?.refused)) return "refused";
  if (status === 409 && body?.status === "moved") return "moved";
  if (status === 401) return "sign-in";
  // 2xx without our words, "not now", 429 and all of 5xx pass; anything else we sent wrongly.
  if (status < 400 || status === 408 || status === 409 || status === 429 || status >= 500) return "later";
  return "fault";
}

/** How long to wait before the next try. The server's own wish comes first, spread over a second. */
export function pause({ tries, retryAfterMs, random = Math.random }) {
  if (retryAfterMs != null) return retryAfterMs + random() * 1000;
  return backoff(tries, { random });
}

/** Events: `change` (something waits, or no longer), `reply` (any reply, with its times), `moved`, `sign-in`, `fault`, `late`. */
export class Sender extends EventTarget {
  lastSavedAt = null;
  #stuck = new Set();
  #timer = null;
  #stuckTimer = null;
  #notBefore = 0;
  #tries = 0;
  #size = BATCH;
  // The server named a time itself (Retry-After); a network that comes back does not shorten it.
  #asked = false;
  #inFlight = false;
  #stopped = false;

  constructor({ journal, url, token, epoch, send = call, now = () => performance.now(), random = Math.random }) {
    super();
    Object.assign(this, { journal, url, token, epoch, send, now, random });
  }

  get waitingCount() {
    return this.journal.waiting.length;
  }

  /** How long the oldest answer of this page has waited; 0 when none does. */
  get oldestWaitingMs() {
    const since = Math.min(...this.journal.waiting.map((event) => event.since));
    return Number.isFinite(since) ? this.now() - since : 0;
  }

  /** Answers that could not be sent because the server did not understand them. */
  get stuckCount() {
    return this.#stuck.size;
  }

  /** Writes an event and sends it. Resolves once it is written. */
  async note(event) {
    const written = this.journal.append(event);
    this.#tell("change");
    await written;
    this.wake();
  }

  /** Sends now unless the server asked for time. `again` forgets the growing pause: contact has just been seen. */
  wake({ again = false } = {}) {
    if (this.#stopped || this.#inFlight) return;
    if (again && this.#tries > 0) {
      this.#tries = 0;
      if (!this.#asked) this.#notBefore = 0;
    }
    clearTimeout(this.#timer);
    const wait = this.#notBefore - this.now();
    if (wait > 0) this.#timer = setTimeout(() => this.wake(), wait);
    else this.#send();
  }

  /** Resolves with true when nothing waits, with false after `within` ms. What was set aside is tried once more. */
  flush(within = Infinity) {
    const empty = () => this.waitingCount === 0;
    this.#stuck.clear();
    this.wake({ again: true });
    if (empty()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const done = (sent) => {
        clearTimeout(timer);
        this.removeEventListener("change", look);
        resolve(sent);
      };
      const look = () => empty() && done(true);
      const timer = Number.isFinite(within) ? setTimeout(() => done(false), within) : undefined;
      this.addEventListener("change", look);
    });
  }

  /** The page is going away: hand what waits to the browser. A second copy of a request in flight changes nothing. */
  leave() {
    const batch = nextBatch(this.journal.ready, BATCH, this.#stuck);
    if (!batch || this.#stopped) return;
    this.send(this.url, { method: "POST", headers: this.#headers(batch), json: payload(batch), keepalive: true })
      .then((reply) => this.#take(batch, reply))
      .catch(() => {});
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#stuckTimer);
  }

  /** Sends as the browser tells us about the network and the page. */
  listen(scope = globalThis) {
    scope.addEventListener("online", () => this.wake({ again: true }));
    scope.addEventListener("pagehide", () => this.leave());
    scope.document?.addEventListener("visibilitychange", () => this.wake());
  }

  /** An earlier epoch's events go under that epoch's token; the page's own may be newer than the one they were written with. */
  #headers({ epoch, token }) {
    return attemptHeaders(epoch < this.epoch && token ? token : this.token);
  }

  async #send() {
    const batch = nextBatch(this.journal.ready, this.#size, this.#stuck);
    if (!batch) return;
    this.#inFlight = true;
    let waitMs = 0;
    try {
      const reply = await this.send(this.url, { method: "POST", headers: this.#headers(batch), json: payload(batch), timeout: REQUEST_MS });
      waitMs = await this.#take(batch, reply);
    } catch {
      this.#asked = false;
      waitMs = pause({ tries: this.#tries++, random: this.random });
    }
    this.#inFlight = false;
    this.#notBefore = this.now() + waitMs;
    this.#tell("change");
    if (this.journal.ready.length > this.#stuck.size) this.wake();
  }

  /** Brings the journal in line with a reply; returns how long to wait before the next request. */
  async #take(batch, reply) {
    const meaning = verdict(reply);
    const seqs = batch.events.map((event) => event.seq);
    const before = this.waitingCount;
    this.#asked = reply.retryAfterMs != null;
    if (meaning === "refused") await this.journal.drop(batch.device, reply.body.refused.map((event) => event.seq));
    if ((meaning === "stored" || meaning === "refused") && Number.isInteger(reply.body.acked)) {
      await this.journal.settle(batch.device, seqs, reply.body, this.#aside(batch.device));
      this.#size = BATCH;
      if (reply.body.late?.length) this.#tell("late", { seqs: reply.body.late });
    }
    if (meaning === "moved" || meaning === "sign-in") {
      // Made before the test was taken over and back: the server keeps them aside, or no longer takes them; this page goes on.
      if (batch.epoch < this.epoch && meaning === "moved") await this.journal.drop(batch.device, seqs);
      else if (batch.epoch < this.epoch) this.journal.leave(batch.device, seqs);
      else {
        this.stop();
        this.#tell(meaning);
      }
    }
    if (meaning === "fault") this.#halve(batch);
    if (this.waitingCount === 0 && before > 0) this.lastSavedAt = reply.body?.server_now ?? this.lastSavedAt;
    if (reply.body) this.#tell("reply", reply);
    const moved = this.waitingCount < before || meaning === "fault";
    if (moved) this.#tries = 0;
    return moved && !this.#asked ? 0 : pause({ tries: this.#tries++, retryAfterMs: reply.retryAfterMs, random: this.random });
  }

  /** A batch the server cannot read is cut in half until the one event at fault stands alone and is set aside. */
  #halve(batch) {
    if (batch.events.length > 1) {
      this.#size = Math.ceil(batch.events.length / 2);
      return;
    }
    this.#stuck.add(labelOf(batch.events[0]));
    this.#size = BATCH;
    clearTimeout(this.#stuckTimer);
    this.#stuckTimer = setTimeout(() => this.#takeUpAgain(), STUCK_MS);
    this.#tell("fault");
  }

  #aside(device) {
    return new Set(this.journal.waiting.filter((event) => event.device === device && this.#stuck.has(labelOf(event))).map((event) => event.seq));
  }

  /** The fault is ours, so it may have been mended meanwhile. */
  #takeUpAgain() {
    this.#stuck.clear();
    this.wake();
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
