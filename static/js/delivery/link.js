/**
 * The live socket of a candidate: pictures and notices up, commands down. Nothing of the test depends on it, and it
 * stands back whenever an answer waits.
 */

import { Camera, Pencil, selfView } from "./camera.js";
import { ServerClock } from "./clock.js";
import { backoff, call, csrfHeaders } from "./http.js";
import { agreeOnDevice, DatabaseShelf, LocalShelf } from "./journal.js";
import { cipher as makeCipher, localStore, ofAttempt, openDatabase, read, uuid, write } from "./store.js";
import { words as pageWords } from "./words.js";

export const LIVE = 1;
export const EVIDENCE = 2;
const HEADER = 32;
const MAGIC = 0x54;
const ANSWER_WAITS_MS = 500;
const CREDITS = 2;
const STILLS_KEPT = 1200;
// Live stills count from the middle of the range, so that a refusal's number says which kind was refused.
const LIVE_FROM = 0x80000000;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value >>> 0;
});

/** CRC-32 as zlib has it. */
export function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 0xff];
  return (crc ^ 0xffffffff) >>> 0;
}

/** A picture as it travels: `!BBBBHHIIQII` and the payload. */
export function packet({ kind, stream = 0, epoch, seq, capturedAt, payload }) {
  const bytes = new Uint8Array(HEADER + payload.length);
  const view = new DataView(bytes.buffer);
  [MAGIC, 1, kind, 0].forEach((value, index) => view.setUint8(index, value));
  view.setUint16(4, stream);
  view.setUint16(6, 0);
  view.setUint32(8, epoch);
  view.setUint32(12, seq);
  view.setBigUint64(16, BigInt(Math.round(capturedAt)));
  view.setUint32(24, payload.length);
  view.setUint32(28, crc32(payload));
  bytes.set(payload, HEADER);
  return bytes;
}

/** Whether a live still may be sent now. Answers come first, and the socket never holds more than two. */
export function maySend({ unacked, bufferedAmount, frameBytes, answerWaitingMs }) {
  return answerWaitingMs <= ANSWER_WAITS_MS && unacked < CREDITS && bufferedAmount <= 2 * frameBytes;
}

/** What a close code asks of us: `stop`, or how long to wait at least before the next try. */
export function afterClose(code, { tries, random = Math.random }) {
  if (code === 4001) return { stop: "replaced" };
  if (code === 4011) return { stop: "over" };
  if (code === 4003) return { stop: "forbidden" };
  const least = code === 4010 ? 5000 : code === 4000 || code === 4008 ? 15_000 : 0;
  return { waitMs: least + backoff(tries, { first: 500, random }) };
}

/** Numbers for notices: those without one get the next ones, above all that the server and this page have used. */
export function numbered(notices, highest) {
  let number = Math.max(highest, 0, ...notices.map((notice) => notice.n ?? 0));
  return notices.map((notice) => (notice.n ? notice : { ...notice, n: ++number }));
}

/** Notices and evidence stills until the server has stored them: in the database when it opens, else in memory. */
export class Tray {
  notices = [];
  stills = [];
  #used = 0;

  constructor({ attempt, db = null, cipher = null, store = null, wall = Date.now }) {
    Object.assign(this, { attempt, db, cipher, store, wall });
    const kept = JSON.parse(store?.getItem(`tp.live.${attempt}`) ?? "{}");
    this.acked = kept.acked ?? 0;
    this.#used = kept.used ?? 0;
    this.stream = kept.stream ?? { epoch: 0, seq: 0 };
  }

  static async open({ attempt, db, cipher, store }) {
    const tray = new Tray({ attempt, db, cipher, store });
    if (db && cipher) await tray.#recall().catch(() => {});
    return tray;
  }

  async #recall() {
    for (const name of ["events", "stills"]) {
      const records = await read(this.db, name, (shelf) => shelf.getAll(ofAttempt(this.attempt)));
      for (const record of records) {
        const plain = await this.cipher.open(record, this.#label(name, record)).catch(() => null);
        if (plain && name === "events") this.notices.push({ ...JSON.parse(new TextDecoder().decode(plain)), id: record.id });
        if (plain && name === "stills") this.stills.push({ epoch: record.epoch, seq: record.seq, capturedAt: record.at, payload: plain });
      }
    }
    this.notices.sort((a, b) => a.at - b.at);
  }

  #label(name, record) {
    return `${name}/${record.attempt}/${record.id ?? `${record.epoch}.${record.seq}`}`;
  }

  async #keep(name, record, bytes) {
    if (!this.db || !this.cipher) return;
    try {
      const sealed = await this.cipher.seal(bytes, this.#label(name, record));
      await write(this.db, [name], (shelf) => shelf.put({ ...record, ...sealed }));
    } catch {
      // It stays in memory and is sent from there.
    }
  }

  async addNotice(kind, at, data) {
    const notice = { id: uuid(), kind, at, data };
    this.notices.push(notice);
    await this.#keepNotice(notice);
  }

  #keepNotice({ id, ...notice }) {
    return this.#keep("events", { attempt: this.attempt, id, at: this.wall() }, new TextEncoder().encode(JSON.stringify(notice)));
  }

  /** The server has stored notices up to `stored`; what is left gets its numbers. */
  number(stored) {
    this.noticesStored(stored);
    const fresh = this.notices.filter((notice) => !notice.n);
    this.notices = numbered(this.notices, Math.max(stored, this.#used));
    this.#used = Math.max(this.#used, stored, ...this.notices.map((notice) => notice.n));
    this.#save();
    for (const { id } of fresh) this.#keepNotice(this.notices.find((notice) => notice.id === id));
    return this.notices;
  }

  noticesStored(upTo) {
    const done = this.notices.filter((notice) => notice.n && notice.n <= upTo);
    this.notices = this.notices.filter((notice) => !done.includes(notice));
    this.acked = Math.max(this.acked, upTo);
    this.#save();
    this.#forget("events", done.map((notice) => [this.attempt, notice.id]));
  }

  async addStill(epoch, capturedAt, payload) {
    if (this.stream.epoch !== epoch) this.stream = { epoch, seq: 0 };
    this.stream.seq += 1;
    this.#save();
    const still = { epoch, seq: this.stream.seq, capturedAt, payload };
    this.stills.push(still);
    // Hours without a network would fill the disk; the oldest then make room, and their numbers show as missing.
    if (this.stills.length > STILLS_KEPT) this.stillStored(this.stills[0].epoch, this.stills[0].seq);
    await this.#keep("stills", { attempt: this.attempt, epoch, seq: still.seq, at: capturedAt }, payload);
  }

  stillStored(epoch, seq) {
    this.stills = this.stills.filter((still) => still.epoch !== epoch || still.seq !== seq);
    this.#forget("stills", [[this.attempt, epoch, seq]]);
  }

  #forget(name, keys) {
    if (!this.db || !keys.length) return;
    write(this.db, [name], (shelf) => keys.forEach((key) => shelf.delete(key))).catch(() => {});
  }

  #save() {
    try {
      this.store?.setItem(`tp.live.${this.attempt}`, JSON.stringify({ acked: this.acked, used: this.#used, stream: this.stream }));
    } catch {
      // The numbers then hold for this page, and the server names its own at the next welcome.
    }
  }
}

const USUAL = { fps: 2, width: 320, height: 240, quality: 0.6, evidence_seconds: 30, heartbeat_seconds: 10, still_bytes: 200_000 };

/** Events: `contact` (reply times), `open`, `closed`, `over`, `replaced`, `sync`, `message`, `photo`. */
export class Link extends EventTarget {
  policy = { ...USUAL };
  #socket = null;
  #welcomed = false;
  #tries = 0;
  #timers = new Set();
  #unacked = 0;
  #liveSeq = LIVE_FROM;
  #stillOut = null;
  #heartbeats = new Map();
  #acts = new Set();
  #n = 0;
  #stopped = false;
  // The server has named a time for the next try; the close that follows then says nothing more.
  #wait = null;
  #loose = [];
  #evidenceTimer = null;
  #frameBytes = 15_000;
  #live = new Pencil(USUAL.width, USUAL.height);
  #evidence = new Pencil(640, 480);

  constructor({ ticketUrl, liveUrl, device, tray, camera, clock, waiting = () => 0, answerWaitingMs = () => 0, random = Math.random }) {
    super();
    Object.assign(this, { ticketUrl, liveUrl, device, tray, camera, clock, waiting, answerWaitingMs, random });
  }

  /** Pictures for the record are taken from now on, connected or not, and sent when they can be. */
  begin() {
    let taken = -Infinity;
    this.#evidenceTimer = setInterval(() => {
      const now = this.clock.now();
      if (now - taken < this.policy.evidence_seconds * 1000) return;
      taken = now;
      this.#takeEvidence().catch(() => {});
    }, 1000);
    return this.start();
  }

  async start() {
    if (this.#stopped) return;
    this.#tries += 1;
    try {
      const { status, body } = await call(this.ticketUrl, { method: "POST", headers: csrfHeaders(), json: {} });
      if (status === 409 || status === 410) return this.#end("over");
      if (!body?.ticket) throw new Error(`no ticket (${status})`);
      this.#open(body.ticket);
    } catch {
      this.#again(1006);
    }
  }

  stop() {
    this.#stopped = true;
    clearInterval(this.#evidenceTimer);
    this.#quiet();
    this.#socket?.close(1000);
  }

  /** Something the browser noticed; kept until the server has it. */
  async note(kind, data = {}) {
    await this.tray.addNotice(kind, Math.round(this.clock.now()), data);
    if (this.#welcomed) this.#sendNotices();
  }

  /** Waits a little for evidence that is still on its way; whatever is left stays for a later page. */
  async drain(ms) {
    const until = performance.now() + ms;
    while (this.#welcomed && this.tray.stills.length && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 100));
  }

  #open(ticket) {
    const socket = new WebSocket(this.liveUrl, "tp.candidate.v1");
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.onopen = () => this.#say("hello", { ticket, device: this.device, event: this.tray.acked });
    socket.onmessage = ({ data }) => typeof data === "string" && this.#hear(JSON.parse(data));
    socket.onclose = ({ code }) => this.#socket === socket && this.#again(code);
  }

  #say(t, fields) {
    if (this.#isOpen) this.#socket.send(JSON.stringify({ t, n: ++this.#n, ...fields }));
  }

  /** A socket that is closing takes nothing more, some time before it tells so. */
  get #isOpen() {
    return this.#socket?.readyState === 1;
  }

  #hear(message) {
    const hear = {
      welcome: () => this.#welcome(message),
      reject: () => (message.retry ? (this.#wait = message.after_ms ?? 0) : this.#end("over")),
      hb: () => this.#beat(message),
      event_ack: () => this.tray.noticesStored(message.up_to),
      frame_ack: () => (this.#unacked = Math.max(0, this.#unacked - 1)),
      chunk_ack: () => this.#stillDone(message.epoch, message.seq),
      nack: () => this.#refused(message.seq),
      command: () => this.#command(message),
    }[message.t];
    hear?.();
  }

  #welcome({ server_now, policy, event, stream }) {
    this.#welcomed = true;
    this.#tries = 0;
    this.#unacked = 0;
    this.#stillOut = null;
    this.#heartbeats.clear();
    this.policy = { ...this.policy, ...policy };
    this.epoch = stream.epoch;
    for (const { capturedAt, payload } of this.#loose.splice(0)) this.tray.addStill(this.epoch, capturedAt, payload);
    this.dispatchEvent(new CustomEvent("open", { detail: { server_now } }));
    this.tray.number(event ?? 0);
    this.#sendNotices();
    this.#heartbeat();
    this.#every(() => this.policy.heartbeat_seconds * 1000, () => this.#heartbeat());
    this.#every(() => 1000 / this.policy.fps, () => this.#sendLive());
    this.#every(() => 250, () => this.#sendEvidence());
  }

  #sendNotices() {
    for (const { n, kind, at, data } of this.tray.number(this.tray.acked)) this.#say("event", { n, kind, at, data });
  }

  #heartbeat() {
    // Two unanswered ones: the connection is gone, though nobody has said so.
    if (this.#heartbeats.size >= 2) return this.#abandon();
    const at = Math.round(this.clock.now());
    this.#heartbeats.set(at, performance.now());
    this.#say("hb", { at, waiting: this.waiting(), buffered: this.#socket?.bufferedAmount ?? 0 });
  }

  /** A close of a dead connection can take minutes to be told, so nobody waits for it. */
  #abandon() {
    const dead = this.#socket;
    this.#socket = null;
    dead.close(3000);
    this.#again(1006);
  }

  #beat({ at, server_now }) {
    const sent = this.#heartbeats.get(at);
    this.#heartbeats.clear();
    if (sent === undefined) return;
    this.dispatchEvent(new CustomEvent("contact", { detail: { sent, received: performance.now(), body: { server_now } } }));
  }

  #command({ id, action, data }) {
    if (!this.#acts.has(id)) {
      this.#acts.add(id);
      if (action === "rate") Object.assign(this.policy, data);
      if (action === "sync") this.dispatchEvent(new Event("sync"));
      if (action === "message") this.dispatchEvent(new CustomEvent("message", { detail: data }));
      if (action === "photo_again") this.dispatchEvent(new Event("photo"));
    }
    this.#say("command_ack", { id });
  }

  async #sendLive() {
    const facts = () => ({ unacked: this.#unacked, bufferedAmount: this.#socket.bufferedAmount, frameBytes: this.#frameBytes, answerWaitingMs: this.answerWaitingMs() });
    if (!maySend(facts())) return;
    const { width, height, quality } = this.policy;
    this.#live.resize(width, height);
    if (!this.camera.draw(this.#live.context, width, height)) return;
    const capturedAt = this.clock.now();
    const payload = await jpeg(this.#live, quality, this.policy.still_bytes);
    // An answer may have been given while the picture was made.
    if (!payload || !this.#welcomed || !this.#isOpen || !maySend(facts())) return;
    this.#frameBytes = payload.length;
    this.#unacked += 1;
    this.#socket.send(packet({ kind: LIVE, epoch: this.epoch, seq: ++this.#liveSeq, capturedAt, payload }));
  }

  async #takeEvidence() {
    if (!this.camera.draw(this.#evidence.context, 640, 480)) return;
    const capturedAt = Math.round(this.clock.now());
    const payload = await jpeg(this.#evidence, this.policy.quality, this.policy.still_bytes);
    if (!payload) return;
    // Before the first welcome no number can be given.
    if (this.epoch === undefined) this.#loose = [...this.#loose, { capturedAt, payload }].slice(-STILLS_KEPT);
    else await this.tray.addStill(this.epoch, capturedAt, payload);
  }

  /** Evidence goes one at a time: it is delayed, never dropped, and never in an answer's way. */
  #sendEvidence() {
    const still = this.tray.stills[0];
    if (!still || this.#stillOut || !this.#isOpen || this.answerWaitingMs() > ANSWER_WAITS_MS || this.#socket.bufferedAmount > 2 * this.#frameBytes) return;
    this.#stillOut = still;
    this.#socket.send(packet({ kind: EVIDENCE, ...still }));
  }

  /** A still too broken to have a number is sent again with the rest at the next connection. */
  #refused(seq) {
    if (seq >= LIVE_FROM) this.#unacked = Math.max(0, this.#unacked - 1);
    else if (this.#stillOut?.seq === seq) this.#stillDone(this.#stillOut.epoch, seq);
  }

  #stillDone(epoch, seq) {
    this.tray.stillStored(epoch, seq);
    if (this.#stillOut?.epoch === epoch && this.#stillOut.seq === seq) this.#stillOut = null;
  }

  /** Runs `work` again and again while connected; the pause is read each time, as a command may change it. */
  #every(pauseMs, work) {
    const timer = { id: null };
    const next = () => (timer.id = setTimeout(async () => {
      if (!this.#welcomed || !this.#timers.has(timer)) return;
      await Promise.resolve(work()).catch(() => {});
      next();
    }, pauseMs()));
    this.#timers.add(timer);
    next();
  }

  #quiet() {
    this.#welcomed = false;
    for (const timer of this.#timers) clearTimeout(timer.id);
    this.#timers.clear();
  }

  #again(code) {
    this.#quiet();
    if (this.#stopped) return;
    this.dispatchEvent(new Event("closed"));
    const { stop, waitMs } = afterClose(this.#wait === null ? code : 1006, { tries: this.#tries, random: this.random });
    if (stop) return this.#end(stop);
    setTimeout(() => this.start(), waitMs + (this.#wait ?? 0));
    this.#wait = null;
  }

  #end(why) {
    this.#stopped = true;
    clearInterval(this.#evidenceTimer);
    this.#quiet();
    this.dispatchEvent(new CustomEvent(why === "replaced" ? "replaced" : "over", { detail: { why } }));
  }
}

/** The bytes of a still within its bound, at less quality if need be. */
async function jpeg(pencil, quality, most) {
  for (const part of [1, 0.7, 0.45]) {
    const blob = await pencil.blob(quality * part);
    if (blob.size <= most) return new Uint8Array(await blob.arrayBuffer());
  }
  return null;
}

export function liveUrl(location = globalThis.location) {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live/candidate`;
}

/** Camera and socket of one page, started. What the camera does is noted; `onCamera(state, error)` tells the page. */
export async function startLink({ attempt, ticketUrl, db, cipher, device, clock, camera, onCamera = () => {}, ...rest }) {
  const tray = await Tray.open({ attempt, db, cipher, store: localStore() });
  const link = new Link({ ticketUrl, liveUrl: liveUrl(), device, tray, camera, clock, ...rest });

  async function open(deviceId = null) {
    try {
      await camera.open(deviceId);
      onCamera("open");
    } catch (error) {
      onCamera("error", error);
    }
  }

  camera.addEventListener("lost", ({ detail }) => {
    link.note("camera_lost", detail);
    onCamera("lost");
  });
  camera.addEventListener("back", () => {
    link.note("camera_back");
    onCamera("back");
  });
  // A cable put back, or another program letting go, needs no press of a button.
  navigator.mediaDevices?.addEventListener("devicechange", () => camera.live || open());
  await open();
  link.begin();
  return { link, open };
}

/**
 * The pages before the test (waiting room, rules): keeps the picture live and shows it small. Settings stand in the block
 * `#link`: {attempt, ticket_url, journal_key or null}. Without a key, what is not yet sent stays in memory alone.
 */
export async function mount(element) {
  const settings = JSON.parse(document.getElementById("link").textContent);
  const say = element.querySelector("[data-camera-say]");
  const again = element.querySelector("[data-camera-again]");
  const words = pageWords().camera;
  const db = await openDatabase().catch(() => null);
  const store = localStore();
  const shelves = [db && new DatabaseShelf(db), store && new LocalShelf(store)].filter(Boolean);
  const clock = new ServerClock();
  const camera = new Camera();

  function show(state) {
    const works = state === "open" || state === "back";
    say.textContent = works ? words.on : words.off;
    again.hidden = works;
    if (works) selfView(element, camera);
  }

  const { link, open } = await startLink({
    attempt: settings.attempt,
    ticketUrl: settings.ticket_url,
    db,
    cipher: await makeCipher(settings.journal_key).catch(() => null),
    device: await agreeOnDevice(shelves),
    clock,
    camera,
    onCamera: show,
  });
  link.addEventListener("contact", ({ detail }) => clock.hear({ ...detail, serverNow: detail.body.server_now }));
  again.addEventListener("click", () => open());
  element.dispatchEvent(new CustomEvent("link", { detail: link, bubbles: true }));
  return link;
}
