import assert from "node:assert/strict";
import { test } from "node:test";
import zlib from "node:zlib";

import { crop, diagnose, family, system } from "../../../static/js/delivery/camera.js";
import { afterClose, crc32, EVIDENCE, Link, maySend, numbered, packet, Tray } from "../../../static/js/delivery/link.js";

test("the checksum is that of zlib", () => {
  assert.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
  assert.equal(crc32(new Uint8Array()), 0);
  if (zlib.crc32) assert.equal(crc32(Buffer.from("still")), zlib.crc32("still"));
});

test("the header is 32 bytes, big-endian, as the protocol names them", () => {
  const payload = Uint8Array.of(0xff, 0xd8, 0xff);
  const bytes = packet({ kind: EVIDENCE, epoch: 7, seq: 258, capturedAt: 1_766_400_000_000, payload });
  const view = new DataView(bytes.buffer);
  assert.equal(bytes.length, 35);
  assert.deepEqual([...bytes.slice(0, 8)], [0x54, 1, 2, 0, 0, 0, 0, 0]);
  assert.equal(view.getUint32(8), 7);
  assert.equal(view.getUint32(12), 258);
  assert.equal(view.getBigUint64(16), 1_766_400_000_000n);
  assert.equal(view.getUint32(24), 3);
  assert.equal(view.getUint32(28), crc32(payload));
  assert.deepEqual([...bytes.slice(32)], [...payload]);
});

test("a live still goes out only when nothing more important waits", () => {
  const calm = { unacked: 0, bufferedAmount: 0, frameBytes: 10_000, answerWaitingMs: 0 };
  for (const [facts, expected] of [
    [{}, true],
    [{ unacked: 1 }, true],
    [{ unacked: 2 }, false],
    [{ bufferedAmount: 20_001 }, false],
    [{ answerWaitingMs: 500 }, true],
    [{ answerWaitingMs: 501 }, false],
  ]) {
    assert.equal(maySend({ ...calm, ...facts }), expected, JSON.stringify(facts));
  }
});

test("what a close code asks of the page", () => {
  const random = () => 1;
  assert.deepEqual(afterClose(1006, { tries: 0, random }), { waitMs: 500 });
  assert.deepEqual(afterClose(1006, { tries: 20, random }), { waitMs: 15_000 });
  assert.deepEqual(afterClose(4010, { tries: 0, random: () => 0 }), { waitMs: 5_000 });
  assert.equal(afterClose(4008, { tries: 0, random: () => 0 }).waitMs, 15_000);
  assert.deepEqual(afterClose(4001, { tries: 0 }), { stop: "replaced" });
  assert.deepEqual(afterClose(4011, { tries: 0 }), { stop: "over" });
  assert.deepEqual(afterClose(4003, { tries: 0 }), { stop: "forbidden" });
});

test("notices get numbers above all that are known, once", () => {
  const given = numbered([{ kind: "copy", n: 4 }, { kind: "paste" }, { kind: "focus_lost" }], 6);
  assert.deepEqual(given.map(({ n }) => n), [4, 7, 8]);
  assert.deepEqual(numbered(given, 2), given);
});

test("a notice stays until the server has it and keeps its number when sent again", async () => {
  const tray = new Tray({ attempt: 5 });
  await tray.addNotice("focus_lost", 1, {});
  await tray.addNotice("focus_back", 2, {});
  assert.deepEqual(tray.number(3).map(({ n }) => n), [4, 5]);
  tray.noticesStored(4);
  await tray.addNotice("copy", 3, {});
  assert.deepEqual(tray.number(4).map(({ n, kind }) => [n, kind]), [[5, "focus_back"], [6, "copy"]]);
});

test("stills are numbered within their epoch and leave when they are stored", async () => {
  const tray = new Tray({ attempt: 5 });
  await tray.addStill(2, 100, Uint8Array.of(1));
  await tray.addStill(2, 200, Uint8Array.of(2));
  await tray.addStill(3, 300, Uint8Array.of(3));
  assert.deepEqual(tray.stills.map(({ epoch, seq }) => [epoch, seq]), [[2, 1], [2, 2], [3, 1]]);
  tray.stillStored(2, 1);
  assert.deepEqual(tray.stills.map(({ epoch, seq }) => [epoch, seq]), [[2, 2], [3, 1]]);
});

test("a picture fills its frame without being stretched", () => {
  assert.deepEqual(crop(640, 480, 320, 240), [0, 0, 640, 480]);
  assert.deepEqual(crop(1280, 720, 320, 240), [160, 0, 960, 720]);
  assert.deepEqual(crop(480, 640, 320, 240), [0, 140, 480, 360]);
});

const CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";

test("the browser family decides which sign to press", () => {
  for (const [agent, browser, computer] of [
    [CHROME, "chrome", "windows"],
    [`${CHROME} Edg/131.0.0.0`, "edge", "windows"],
    ["Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36", "chrome", "chromeos"],
    ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:133.0) Gecko/20100101 Firefox/133.0", "firefox", "mac"],
    ["Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15", "safari", "mac"],
    ["Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/131.0 Mobile Safari/604.1", "chrome", "mobile"],
    ["something else", "other", "other"],
  ]) {
    assert.equal(family(agent), browser, agent);
    assert.equal(system(agent), computer, agent);
  }
});

test("the doctor keeps the browser's own name of the error", () => {
  for (const [name, message, explanation] of [
    ["NotAllowedError", "Permission denied", "NotAllowedError"],
    ["NotAllowedError", "Permission denied by system", "System"],
    ["NotFoundError", "", "NotFoundError"],
    ["NotReadableError", "", "NotReadableError"],
    ["TrackStartError", "", "NotReadableError"],
    ["OverconstrainedError", "", "OverconstrainedError"],
    ["SecurityError", "", "SecurityError"],
    ["AbortError", "", "AbortError"],
    ["TypeError", "", "Unsupported"],
    ["InvalidStateError", "", "Other"],
  ]) {
    assert.equal(diagnose({ name, message }, CHROME).explanation, explanation, name);
  }
});

test("a socket that is closing is sent nothing more, and the evidence waits for the next", async (t) => {
  const sockets = [];
  const stubs = {
    OffscreenCanvas: class {
      getContext = () => ({});
      convertToBlob = async () => new Blob([Uint8Array.of(1, 2, 3)]);
    },
    WebSocket: class {
      readyState = 1;
      bufferedAmount = 0;
      sent = [];
      constructor() {
        sockets.push(this);
      }
      send(data) {
        this.sent.push(data);
      }
      close() {
        this.readyState = 2;
      }
    },
    document: { querySelector: () => null },
    fetch: async () => Response.json({ ticket: "T" }),
  };
  const before = Object.fromEntries(Object.keys(stubs).map((name) => [name, globalThis[name]]));
  Object.assign(globalThis, stubs);
  t.after(() => Object.assign(globalThis, before));
  const tray = new Tray({ attempt: 5 });
  const link = new Link({ ticketUrl: "/t", liveUrl: "/l", device: "d", tray, camera: { draw: () => true }, clock: { now: () => 1 } });
  t.after(() => link.stop());
  await link.start();
  const [socket] = sockets;
  const says = (message) => socket.onmessage({ data: JSON.stringify(message) });
  const pictures = () => socket.sent.filter((data) => typeof data !== "string");
  says({ t: "welcome", policy: { fps: 50 }, stream: { epoch: 1 } });
  for (let left = 100; pictures().length < 2 && left; left -= 1) await new Promise((done) => setTimeout(done, 20));
  assert.equal(pictures().length, 2);
  says({ t: "frame_ack" });
  await tray.addStill(1, 100, Uint8Array.of(9));
  socket.close();
  const sent = socket.sent.length;
  await new Promise((done) => setTimeout(done, 400));
  assert.equal(socket.sent.length, sent);
  assert.equal(tray.stills.length, 1);
});
