import assert from "node:assert/strict";
import { test } from "node:test";

import { backoff, header, Link, LIVE_STILL, POLL_MS, ServerClock, SILENCE_MS } from "../../../static/js/proctor/link.js";

function frame({ magic = 0x54, version = 1, kind = LIVE_STILL, tile = 7, seq = 3, payload = 5, length = payload } = {}) {
  const buffer = new ArrayBuffer(32 + payload);
  const view = new DataView(buffer);
  view.setUint8(0, magic);
  view.setUint8(1, version);
  view.setUint8(2, kind);
  view.setUint8(3, 1);
  view.setUint16(4, 0);
  view.setUint16(6, tile);
  view.setUint32(8, 2);
  view.setUint32(12, seq);
  view.setBigUint64(16, 1766400000000n);
  view.setUint32(24, length);
  view.setUint32(28, 0xfedcba98);
  return buffer;
}

test("the header is read big-endian", () => {
  assert.deepEqual(header(frame()), { kind: 1, flags: 1, stream: 0, tile: 7, epoch: 2, seq: 3, capturedAt: 1766400000000, length: 5, crc: 0xfedcba98 });
});

test("what is not a whole picture of ours is nothing", () => {
  for (const buffer of [new ArrayBuffer(31), frame({ magic: 0x55 }), frame({ version: 2 }), frame({ length: 6 }), frame({ length: 4 })]) {
    assert.equal(header(buffer), null);
  }
});

test("waits double to 15 s and spread over all of it", () => {
  assert.deepEqual([0, 1, 2, 9].map((tries) => backoff(tries, 1)), [500, 1000, 2000, 15_000]);
  assert.equal(backoff(9, 0.5), 7500);
  assert.equal(backoff(3, 0), 0);
});

test("the server's clock takes the message that came fastest", () => {
  let steady = 0;
  const clock = new ServerClock(() => steady, 1_000);
  assert.equal(clock.now(), 1_000);
  clock.hear(5_000);
  steady = 100;
  clock.hear(5_080);
  assert.equal(clock.now(), 5_100);
  clock.hear(5_150);
  assert.equal(clock.now(), 5_150);
  clock.hear(undefined);
  assert.equal(clock.now(), 5_150);
});

/** A link whose sockets, timers and server are in the test's hand. */
function bench({ ticket = async () => "T", rows = async () => ({ version: 1, rows: [] }) } = {}) {
  const at = { now: 0, timers: new Map(), sockets: [], heard: [], next: 1 };
  class Socket {
    constructor(url, protocol) {
      Object.assign(this, { url, protocol, readyState: 0, sent: [] });
      at.sockets.push(this);
    }
    send(text) {
      this.sent.push(JSON.parse(text));
    }
    close() {
      this.readyState = 3;
    }
  }
  at.link = new Link({
    url: "ws://here/live/proctor",
    api: { ticket, rows: () => (at.heard.push("rows"), rows()) },
    clock: { now: () => at.now, hear() {} },
    WebSocket: Socket,
    setTimeout: (does, ms) => (at.timers.set(at.next, { does, at: at.now + ms }), at.next++),
    clearTimeout: (id) => at.timers.delete(id),
    chance: () => 1,
    on: {
      snapshot: () => at.heard.push("snapshot"),
      delta: () => at.heard.push("delta"),
      frame: (attempt) => (at.heard.push(`frame ${attempt}`), at.drawing ?? Promise.resolve()),
      condition: (code) => at.heard.push(code),
    },
  });
  at.settle = async () => {
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  };
  at.pass = async (ms) => {
    const until = at.now + ms;
    for (;;) {
      await at.settle();
      const due = [...at.timers].filter(([, timer]) => timer.at <= until).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      at.timers.delete(due[0]);
      at.now = Math.max(at.now, due[1].at);
      due[1].does();
    }
    at.now = until;
    await at.settle();
  };
  at.says = (message) => at.sockets.at(-1).onmessage({ data: typeof message === "object" && !(message instanceof ArrayBuffer) ? JSON.stringify(message) : message });
  at.welcome = async () => {
    await at.settle();
    at.sockets.at(-1).readyState = 1;
    at.sockets.at(-1).onopen();
    at.says({ t: "welcome", server_now: 0, credits: 4 });
  };
  return at;
}

test("ticket, hello, subscribe", async () => {
  const at = bench();
  at.link.subscribe([4, 5], null);
  at.link.start();
  await at.welcome();
  const [socket] = at.sockets;
  assert.equal(socket.protocol, "tp.proctor.v1");
  assert.deepEqual(socket.sent, [{ t: "hello", ticket: "T" }, { t: "subscribe", tiles: [4, 5], focus: null }]);
  at.link.subscribe([4, 5], null);
  assert.equal(socket.sent.length, 2);
  at.link.subscribe([4, 5], 5);
  assert.deepEqual(socket.sent[2], { t: "subscribe", tiles: [4, 5], focus: 5 });
  at.link.stop();
});

test("the credit goes back after the picture is drawn, not before", async () => {
  const at = bench();
  at.link.start();
  await at.welcome();
  at.says({ t: "snapshot", version: 1, rows: [], tiles: { 42: 7 } });
  let drawn;
  at.drawing = new Promise((resolve) => (drawn = resolve));
  at.says(frame({ tile: 7 }));
  await at.settle();
  assert.ok(at.heard.includes("frame 42"));
  assert.ok(!at.sockets[0].sent.some(({ t }) => t === "credit"));
  drawn();
  await at.settle();
  assert.deepEqual(at.sockets[0].sent.at(-1), { t: "credit", n: 1 });
  at.link.stop();
});

test("a picture that nobody shows or nobody can read still gives its credit back", async () => {
  const at = bench();
  at.link.start();
  await at.welcome();
  at.says(frame({ tile: 99 }));
  at.says(new ArrayBuffer(3));
  await at.settle();
  assert.equal(at.sockets[0].sent.filter(({ t }) => t === "credit").length, 2);
  at.link.stop();
});

test("on loss the rows are asked for each 5 s, and the next connection subscribes again", async () => {
  const failing = { ticket: 0 };
  const at = bench({
    ticket: async () => {
      failing.ticket += 1;
      if (failing.ticket > 1 && at.now < 12_000) throw Object.assign(new Error(), { status: 503 });
      return "T";
    },
  });
  at.link.subscribe([1], 1);
  at.link.start();
  await at.welcome();
  await at.pass(0);
  at.heard.length = 0;
  at.sockets[0].onclose({ code: 1012 });
  assert.deepEqual(at.heard, ["away"]);
  await at.pass(11_000);
  assert.deepEqual(at.heard.filter((word) => word === "rows").length, 1 + Math.floor(11_000 / POLL_MS));
  await at.pass(6_000);
  assert.equal(at.sockets.length, 2);
  await at.welcome();
  assert.ok(at.heard.includes("live"));
  assert.deepEqual(at.sockets[1].sent[1], { t: "subscribe", tiles: [1], focus: 1 });
  at.heard.length = 0;
  await at.pass(9_000);
  assert.ok(!at.heard.includes("rows"));
  at.link.stop();
});

test("when nothing answers the console says so once, until something does", async () => {
  let down = true;
  const refuse = async () => {
    if (down) throw new TypeError("no network");
    return { version: 1, rows: [] };
  };
  const at = bench({ ticket: async () => Promise.reject(new TypeError("no network")), rows: refuse });
  at.link.start();
  await at.pass(30_000);
  assert.deepEqual(at.heard.filter((word) => word !== "rows"), ["opening", "away", "cut-off"]);
  down = false;
  await at.pass(POLL_MS);
  assert.equal(at.heard.at(-1), "away");
  at.link.stop();
});

test("a connection that has gone silent is given up", async () => {
  const at = bench();
  at.link.start();
  await at.welcome();
  await at.pass(SILENCE_MS + 10_000);
  assert.ok(at.heard.includes("away"));
  at.link.stop();
});

test("a session that is no longer the proctor's is not called an outage", async () => {
  const at = bench();
  at.link.start();
  await at.welcome();
  at.sockets[0].onclose({ code: 4003 });
  assert.ok(at.heard.includes("signed-out"));
  at.link.stop();
});
