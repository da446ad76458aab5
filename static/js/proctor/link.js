/**
 * The console's live socket: pictures and changes from `live`. It may be away without harm, because every
 * act of a proctor goes over HTTP; then the rows are asked for each few seconds.
 *
 * The link holds no element of the page and is given its socket, its timers and the time, so that a test can
 * run an outage in a moment.
 */

const HEADER = 32;
const MAGIC = 0x54;
const VERSION = 1;
export const LIVE_STILL = 1;

export const POLL_MS = 5_000;
export const HEARTBEAT_MS = 10_000;
/** Two heartbeats missed and a little more: the connection is dead, whatever the browser believes. */
export const SILENCE_MS = 25_000;
const PROTOCOL = "tp.proctor.v1";
const FORBIDDEN = 4003;

/**
 * The 32 bytes before a picture (`!BBBBHHIIQII`), or null for anything that is not one of ours.
 * The check sum is for storage and relays; here TCP and TLS have already compared the bytes.
 */
export function header(buffer) {
  if (buffer.byteLength < HEADER) return null;
  const view = new DataView(buffer);
  const found = {
    kind: view.getUint8(2),
    flags: view.getUint8(3),
    stream: view.getUint16(4),
    tile: view.getUint16(6),
    epoch: view.getUint32(8),
    seq: view.getUint32(12),
    capturedAt: Number(view.getBigUint64(16)),
    length: view.getUint32(24),
    crc: view.getUint32(28),
  };
  const ours = view.getUint8(0) === MAGIC && view.getUint8(1) === VERSION && found.length === buffer.byteLength - HEADER;
  return ours ? found : null;
}

/**
 * How long to wait before try number `tries` (0, 1, 2 …): half a second doubling to 15 s, anywhere within it,
 * so that a room of consoles does not come back in the same instant.
 */
export function backoff(tries, chance) {
  return Math.round(Math.min(15_000, 500 * 2 ** tries) * chance);
}

/**
 * The server's clock: a steady local clock plus an offset. A message can only arrive late, never early, so the
 * largest offset seen is the best one.
 */
export class ServerClock {
  #steady;
  #offset;
  #heard = false;

  constructor(steady = () => performance.now(), wall = Date.now()) {
    this.#steady = steady;
    this.#offset = wall - steady();
  }

  now() {
    return this.#steady() + this.#offset;
  }

  hear(serverNow) {
    if (typeof serverNow !== "number") return;
    const offset = serverNow - this.#steady();
    this.#offset = this.#heard ? Math.max(this.#offset, offset) : offset;
    this.#heard = true;
  }
}

/**
 * `on`: what the console does with what is heard.
 * - `snapshot(message)`, `delta(message)`
 * - `frame(attempt, header, picture)` returns a promise that settles once the picture is drawn or skipped
 * - `condition(code)`: `opening`, `live`, `away` (pictures are away), `cut-off` (the server does not answer at
 *   all), `signed-out`
 */
export class Link {
  #parts;
  #on;
  #socket = null;
  #wanted = { tiles: [], focus: null };
  #tiles = new Map();
  #tries = 0;
  #heardAt = 0;
  #condition = null;
  #retry = null;
  #poll = null;
  #beat = null;
  #stopped = false;

  /**
   * @param parts {url, api, clock, on, WebSocket, setTimeout, clearTimeout, chance}
   */
  constructor({ on, ...parts }) {
    this.#on = on;
    this.#parts = {
      WebSocket: globalThis.WebSocket,
      setTimeout: globalThis.setTimeout.bind(globalThis),
      clearTimeout: globalThis.clearTimeout.bind(globalThis),
      chance: Math.random,
      ...parts,
    };
  }

  get live() {
    return this.#condition === "live";
  }

  start() {
    this.#become("opening");
    this.#pollAfter(0);
    this.#open();
  }

  /** Leaving the page. */
  stop() {
    this.#stopped = true;
    this.#parts.clearTimeout(this.#retry);
    this.#parts.clearTimeout(this.#poll);
    this.#parts.clearTimeout(this.#beat);
    this.#socket?.close(1000);
  }

  /** Try now instead of waiting: the network is back, or the proctor asked. */
  hurry() {
    if (this.#socket || this.#stopped) return;
    this.#parts.clearTimeout(this.#retry);
    this.#tries = 0;
    this.#open();
  }

  /** Which pictures to send. Kept over a lost connection and asked for again on the next. */
  subscribe(tiles, focus) {
    const same = focus === this.#wanted.focus && tiles.length === this.#wanted.tiles.length && tiles.every((id, at) => id === this.#wanted.tiles[at]);
    if (same) return;
    this.#wanted = { tiles: [...tiles], focus };
    if (this.live) this.#subscribe();
  }

  async #open() {
    let ticket;
    try {
      ticket = await this.#parts.api.ticket();
    } catch (refusal) {
      this.#lost(refusal.status === 401 || refusal.status === 403 ? "signed-out" : undefined);
      return;
    }
    if (this.#stopped || this.#socket) return;
    const socket = new this.#parts.WebSocket(this.#parts.url, PROTOCOL);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#heardAt = this.#parts.clock.now();
    socket.onopen = () => this.#send({ t: "hello", ticket });
    socket.onmessage = ({ data }) => socket === this.#socket && this.#hear(data);
    socket.onclose = ({ code }) => socket === this.#socket && this.#lost(code === FORBIDDEN ? "signed-out" : undefined);
    this.#beatLater();
  }

  #hear(data) {
    this.#heardAt = this.#parts.clock.now();
    if (typeof data !== "string") {
      this.#picture(data);
      return;
    }
    const message = JSON.parse(data);
    this.#parts.clock.hear(message.server_now);
    switch (message.t) {
      case "welcome":
        this.#tries = 0;
        this.#become("live");
        this.#subscribe();
        break;
      case "snapshot":
        this.#tiles = new Map(Object.entries(message.tiles ?? {}).map(([attempt, tile]) => [tile, Number(attempt)]));
        this.#on.snapshot(message);
        break;
      case "delta":
        this.#on.delta(message);
        break;
      case "reject":
        this.#lost(message.retry ? undefined : "signed-out", message.after_ms);
        break;
    }
  }

  /**
   * The credit goes back only once the picture is on the screen: a console that cannot keep up is sent fewer
   * and newer pictures, instead of all of them later and later.
   */
  async #picture(buffer) {
    const socket = this.#socket;
    const found = header(buffer);
    const attempt = found?.kind === LIVE_STILL ? this.#tiles.get(found.tile) : undefined;
    if (attempt !== undefined) {
      const picture = new Blob([new Uint8Array(buffer, HEADER)], { type: "image/jpeg" });
      await Promise.resolve(this.#on.frame(attempt, found, picture)).catch(() => {});
    }
    if (socket === this.#socket) this.#send({ t: "credit", n: 1 });
  }

  #subscribe() {
    this.#send({ t: "subscribe", ...this.#wanted });
  }

  #send(message) {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(message));
  }

  #beatLater() {
    this.#parts.clearTimeout(this.#beat);
    this.#beat = this.#parts.setTimeout(() => {
      if (!this.#socket) return;
      if (this.#parts.clock.now() - this.#heardAt > SILENCE_MS) {
        this.#lost();
        return;
      }
      this.#send({ t: "hb" });
      this.#beatLater();
    }, HEARTBEAT_MS);
  }

  #lost(condition = "away", afterMs = 0) {
    const socket = this.#socket;
    this.#socket = null;
    this.#tiles = new Map();
    socket?.close();
    if (this.#stopped) return;
    // Only an answer ends "cut off": each failed try would otherwise say "away" for a moment.
    if (this.#condition !== "cut-off" || condition !== "away") this.#become(condition);
    if (this.#poll === null) this.#pollAfter(0);
    this.#parts.clearTimeout(this.#retry);
    this.#retry = this.#parts.setTimeout(() => this.#open(), afterMs + backoff(this.#tries, this.#parts.chance()));
    this.#tries += 1;
  }

  #pollAfter(ms) {
    this.#poll = this.#parts.setTimeout(async () => {
      try {
        const rows = this.live ? null : await this.#parts.api.rows();
        if (!this.live && !this.#stopped) {
          this.#parts.clock.hear(rows.server_now);
          this.#on.snapshot(rows);
          if (this.#condition === "cut-off" || this.#condition === "signed-out") this.#become("away");
        }
      } catch (refusal) {
        if (!this.live) this.#become(refusal.status === 401 || refusal.status === 403 ? "signed-out" : "cut-off");
      }
      this.#poll = null;
      if (!this.live && !this.#stopped) this.#pollAfter(POLL_MS);
    }, ms);
  }

  #become(condition) {
    if (condition === this.#condition) return;
    this.#condition = condition;
    this.#on.condition(condition);
  }
}
