/**
 * The journal: every answer is written here before it is sent, and stays until the server has said that it is
 * stored. It is append-only, encrypted, and survives a closed tab, a crash and a power cut.
 */

import { cipher as makeCipher, expire, localStore, ofAttempt, openDatabase, read, uuid, write } from "./store.js";

export const KEPT_DAYS = 30;
const DAY_MS = 86_400_000;

/** Oldest first, as the server orders them: an earlier epoch before a later one. */
export function inOrder(events) {
  return [...events].sort((a, b) => a.epoch - b.epoch || a.seq - b.seq);
}

/**
 * Which of `events` (of one device) the server now holds, after it answered a batch of `sent` seqs.
 * A gap that this journal cannot fill (a refused event, one kept aside) must not hold up what was stored above it.
 */
export function settled(events, sent, { acked, gaps = [] }) {
  const within = (seq) => gaps.some(([first, last]) => first <= seq && seq <= last);
  const fillable = events.map((event) => event.seq).filter(within);
  const lowest = Math.min(...fillable, Infinity);
  const inBatch = new Set(sent);
  return events.map((event) => event.seq).filter((seq) => seq <= acked || (inBatch.has(seq) && seq < lowest));
}

/**
 * The answers to show: those the server gave with the page, and on top of them what it has not seen yet.
 * Events of an earlier epoch were made before the test was taken to another device and back. They never replace what was
 * answered there; where that question is still empty, `restore` names the answers to enter again.
 */
export function merge(answers, events, epoch) {
  const sheet = {};
  for (const [slot, answer] of Object.entries(answers)) sheet[slot] = { ...answer, struck: [...(answer.struck ?? [])] };
  const older = new Map();
  for (const event of inOrder(events)) {
    if (event.epoch === epoch) sheet[event.slot] = applied(sheet[event.slot], event);
    else if (event.state === "answered" || event.state === "cleared") older.set(event.slot, event);
  }
  const restore = [...older.values()].filter((event) => event.state === "answered" && !sheet[event.slot]?.option);
  return { sheet, restore: restore.map(({ slot, option }) => ({ slot, option })) };
}

/** One answer after one event. */
export function applied(answer, { state, option }) {
  const { option: chosen = null, flagged = false, struck = [] } = answer ?? {};
  const others = struck.filter((key) => key !== option);
  switch (state) {
    case "answered":
      return { option, flagged, struck };
    case "cleared":
      return { option: null, flagged, struck };
    case "flagged":
    case "unflagged":
      return { option: chosen, flagged: state === "flagged", struck };
    case "struck":
      return { option: chosen, flagged, struck: [...others, option] };
    case "unstruck":
      return { option: chosen, flagged, struck: others };
    default:
      return { option: chosen, flagged, struck };
  }
}

/** The first place for records: IndexedDB. */
export class DatabaseShelf {
  constructor(db) {
    this.db = db;
  }

  async device() {
    return (await read(this.db, "about", (store) => store.get("device")))?.value ?? null;
  }

  async keepDevice(device) {
    await write(this.db, ["about"], (store) => store.put({ name: "device", value: device }));
  }

  async load(attempt) {
    const [about, records] = await Promise.all([
      read(this.db, "attempts", (store) => store.get(attempt)),
      read(this.db, "responses", (store) => store.getAll(ofAttempt(attempt))),
    ]);
    return { highest: about?.highest ?? {}, records };
  }

  /** The record and the number it used are kept together, or neither is. */
  async put(record) {
    await write(this.db, ["responses", "attempts"], (responses, attempts) => {
      responses.put(record);
      attempts.get(record.attempt).onsuccess = ({ target }) => {
        const highest = target.result?.highest ?? {};
        highest[record.device] = Math.max(highest[record.device] ?? 0, record.seq);
        attempts.put({ ...target.result, attempt: record.attempt, at: record.at, highest });
      };
    });
  }

  async remove(attempt, device, seqs) {
    await write(this.db, ["responses"], (store) => seqs.forEach((seq) => store.delete([attempt, device, seq])));
  }

  async expire(attempt, before) {
    for (const name of ["responses", "events", "stills", "attempts"]) await expire(this.db, name, attempt, before);
  }
}

/** The second place: localStorage. It also keeps the device and its highest number, should the first be lost. */
export class LocalShelf {
  constructor(store) {
    this.store = store;
  }

  async device() {
    return this.store.getItem("tp.device");
  }

  async keepDevice(device) {
    this.store.setItem("tp.device", device);
  }

  async load(attempt) {
    const records = this.#keys(`tp.journal.${attempt}.`).map((key) => unpack(this.store.getItem(key)));
    const highest = JSON.parse(this.store.getItem(`tp.highest.${attempt}`) ?? "{}").highest ?? {};
    return { highest, records };
  }

  async put(record) {
    this.mark(record);
    this.store.setItem(`tp.journal.${record.attempt}.${record.device}.${record.seq}`, pack(record));
  }

  mark({ attempt, device, seq, at }) {
    const highest = JSON.parse(this.store.getItem(`tp.highest.${attempt}`) ?? "{}").highest ?? {};
    highest[device] = Math.max(highest[device] ?? 0, seq);
    this.store.setItem(`tp.highest.${attempt}`, JSON.stringify({ attempt, at, highest }));
  }

  async remove(attempt, device, seqs) {
    for (const seq of seqs) this.store.removeItem(`tp.journal.${attempt}.${device}.${seq}`);
  }

  async expire(attempt, before) {
    for (const key of [...this.#keys("tp.journal."), ...this.#keys("tp.highest.")]) {
      const { attempt: owner, at } = JSON.parse(this.store.getItem(key));
      if (owner !== attempt && at < before) this.store.removeItem(key);
    }
  }

  #keys(prefix) {
    return Array.from({ length: this.store.length }, (_, index) => this.store.key(index)).filter((key) => key.startsWith(prefix));
  }
}

/** A note that cannot be made is no reason to doubt the record that was. */
function mark(shelf, record) {
  try {
    shelf.mark?.(record);
  } catch {
    return;
  }
}

const toBase64 = (bytes) => btoa(String.fromCharCode(...bytes));
const fromBase64 = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
const pack = (record) => JSON.stringify({ ...record, iv: toBase64(record.iv), data: toBase64(record.data) });
function unpack(text) {
  const record = JSON.parse(text);
  return { ...record, iv: fromBase64(record.iv), data: fromBase64(record.data) };
}

const label = ({ attempt, device, seq }) => `${attempt}/${device}/${seq}`;

export class Journal {
  /** Where the newest answer went: "disk", or "memory" when neither place would take it. */
  keeps = "disk";
  #events = new Map();
  #writing = Promise.resolve();

  /** `token` is kept with each event: the server takes an earlier epoch's events only under that epoch's own token. */
  constructor({ attempt, epoch, token = null, device, highest, cipher, shelves, events = [], now = () => performance.now(), wall = Date.now }) {
    Object.assign(this, { attempt, epoch, token, device, cipher, shelves, now, wall });
    this.seq = highest;
    for (const event of events) this.#events.set(label({ attempt, ...event }), { ...event, written: true, since: now() });
    if (!cipher || !shelves.length) this.keeps = "memory";
  }

  /** Everything the server has not said it holds, oldest first, written or not. */
  get waiting() {
    return inOrder(this.#events.values());
  }

  /** What may be sent: an answer is written first. */
  get ready() {
    return this.waiting.filter((event) => event.written);
  }

  /** Resolves when the event is written. Writes follow one another, so a number is never on disk before the one below it. */
  append({ slot, option = null, state, elapsed_ms = 0 }) {
    const event = { device: this.device, seq: ++this.seq, epoch: this.epoch, token: this.token, slot, option, state, elapsed_ms, written: false, since: this.now() };
    this.#events.set(label({ attempt: this.attempt, ...event }), event);
    this.#writing = this.#writing.then(() => this.#write(event));
    return this.#writing.then(() => event);
  }

  async #write(event) {
    const { device, seq, epoch, token, slot, option, state, elapsed_ms } = event;
    const place = { attempt: this.attempt, device, seq };
    const text = new TextEncoder().encode(JSON.stringify({ epoch, token, slot, option, state, elapsed_ms }));
    this.keeps = (await this.#keep(place, text)) ? "disk" : "memory";
    event.written = true;
  }

  async #keep(place, text) {
    if (!this.cipher) return false;
    let record;
    try {
      record = { ...place, at: this.wall(), ...(await this.cipher.seal(text, label(place))) };
    } catch {
      return false;
    }
    for (const shelf of this.shelves) {
      try {
        await shelf.put(record);
        // The number is noted in both places: one of them alone may be cleared, and a number is never used twice.
        for (const other of this.shelves) if (other !== shelf) mark(other, record);
        return true;
      } catch {
        continue;
      }
    }
    return false;
  }

  /** `aside` holds seqs that cannot be sent for now; what is stored above them need not wait for them. */
  async settle(device, sent, reply, aside = new Set()) {
    const own = this.waiting.filter((event) => event.device === device && !aside.has(event.seq));
    await this.drop(device, settled(own, sent, reply));
  }

  /** No longer sent from this page, but left where they are written. */
  leave(device, seqs) {
    for (const seq of seqs) this.#events.delete(label({ attempt: this.attempt, device, seq }));
  }

  async drop(device, seqs) {
    this.leave(device, seqs);
    for (const shelf of seqs.length ? this.shelves : []) {
      // What cannot be deleted now is sent once more after a reload, which changes nothing.
      await shelf.remove(this.attempt, device, seqs).catch(() => {});
    }
  }
}

/** Opens the journal of one attempt with what an earlier page left in it. */
export async function openJournal({ attempt, epoch, token, key, wall = Date.now }) {
  const shelves = [];
  const db = await openDatabase().catch(() => null);
  if (db) shelves.push(new DatabaseShelf(db));
  const store = localStore();
  if (store) shelves.push(new LocalShelf(store));
  const cipher = await makeCipher(key).catch(() => null);

  const device = await agreeOnDevice(shelves);
  const { highest, events } = await recall(shelves, cipher, attempt, device);
  for (const shelf of shelves) shelf.expire(attempt, wall() - KEPT_DAYS * DAY_MS).catch(() => {});
  return { journal: new Journal({ attempt, epoch, token, device, highest, cipher, shelves, events, wall }), db, cipher };
}

export async function agreeOnDevice(shelves) {
  let device = null;
  for (const shelf of shelves) device ??= await shelf.device().catch(() => null);
  device ??= uuid();
  for (const shelf of shelves) await shelf.keepDevice(device).catch(() => {});
  return device;
}

/** What the shelves still hold of an attempt. A record that does not open stays where it is, and its number stays used. */
export async function recall(shelves, cipher, attempt, device) {
  const events = new Map();
  let highest = 0;
  for (const shelf of shelves) {
    const held = await shelf.load(attempt).catch(() => ({ highest: {}, records: [] }));
    highest = Math.max(highest, held.highest[device] ?? 0);
    for (const record of held.records) {
      if (record.device === device) highest = Math.max(highest, record.seq);
      try {
        const text = new TextDecoder().decode(await cipher.open(record, label(record)));
        events.set(label(record), { ...JSON.parse(text), device: record.device, seq: record.seq });
      } catch {
        continue;
      }
    }
  }
  return { highest, events: [...events.values()] };
}
