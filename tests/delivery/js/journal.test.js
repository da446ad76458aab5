import assert from "node:assert/strict";
import { test } from "node:test";

import { agreeOnDevice, applied, inOrder, Journal, LocalShelf, merge, recall, settled } from "../../../static/js/delivery/journal.js";
import { cipher } from "../../../static/js/delivery/store.js";

const KEY = Buffer.from(Array.from({ length: 32 }, (_, index) => index)).toString("base64");
const events = (...seqs) => seqs.map((seq) => ({ device: "d", epoch: 1, seq }));

class Storage {
  #kept = new Map();
  get length() {
    return this.#kept.size;
  }
  key(index) {
    return [...this.#kept.keys()][index] ?? null;
  }
  getItem(key) {
    return this.#kept.get(key) ?? null;
  }
  setItem(key, value) {
    if (this.full) throw new Error("full");
    this.#kept.set(key, String(value));
  }
  removeItem(key) {
    this.#kept.delete(key);
  }
}

test("only what the server holds leaves the journal", () => {
  for (const [name, held, sent, reply, expected] of [
    ["all acknowledged", [1, 2, 3], [1, 2, 3], { acked: 3 }, [1, 2, 3]],
    ["not those given meanwhile", [1, 2, 3], [1, 2], { acked: 2 }, [1, 2]],
    ["nothing", [4, 5], [4], { acked: 3, gaps: [[4, 4]] }, []],
    ["up to a gap that can be filled", [4, 5, 6], [4, 6], { acked: 4, gaps: [[5, 5]] }, [4]],
    ["past a gap that nobody can fill", [7, 8], [7, 8], { acked: 4, gaps: [[5, 6]] }, [7, 8]],
    ["what an earlier request had stored", [1, 2], [], { acked: 2 }, [1, 2]],
  ]) {
    assert.deepEqual(settled(events(...held), sent, reply), expected, name);
  }
});

test("events are ordered by epoch, then by number", () => {
  const mixed = [{ epoch: 2, seq: 1 }, { epoch: 1, seq: 9 }, { epoch: 1, seq: 2 }];
  assert.deepEqual(inOrder(mixed).map(({ epoch, seq }) => [epoch, seq]), [[1, 2], [1, 9], [2, 1]]);
});

test("answers given before the page was loaded again lie over those of the server", () => {
  const server = { 1: { option: "a", flagged: false, struck: [] }, 2: { option: "b", flagged: true, struck: ["c"] } };
  const { sheet, restore } = merge(
    server,
    [
      { epoch: 1, seq: 5, slot: 2, option: null, state: "unflagged" },
      { epoch: 1, seq: 4, slot: 1, option: "d", state: "answered" },
      { epoch: 1, seq: 6, slot: 3, option: "a", state: "struck" },
      { epoch: 1, seq: 7, slot: 2, option: null, state: "cleared" },
    ],
    1,
  );
  assert.equal(sheet[1].option, "d");
  assert.deepEqual(sheet[2], { option: null, flagged: false, struck: ["c"] });
  assert.deepEqual(sheet[3].struck, ["a"]);
  assert.deepEqual(restore, []);
  assert.equal(server[1].option, "a", "what was given is left as it was");
});

test("answers from before a take-over fill empty questions and replace none", () => {
  const { sheet, restore } = merge(
    { 1: { option: "a" } },
    [
      { epoch: 1, seq: 3, slot: 1, option: "b", state: "answered" },
      { epoch: 1, seq: 4, slot: 2, option: "c", state: "answered" },
      { epoch: 1, seq: 5, slot: 4, option: "c", state: "answered" },
      { epoch: 1, seq: 6, slot: 4, option: null, state: "cleared" },
    ],
    3,
  );
  assert.equal(sheet[1].option, "a");
  assert.deepEqual(restore, [{ slot: 2, option: "c" }]);
});

test("crossing out leaves the chosen answer alone", () => {
  const answer = { option: "a", flagged: false, struck: [] };
  assert.deepEqual(applied(answer, { state: "struck", option: "a" }), { option: "a", flagged: false, struck: ["a"] });
  assert.deepEqual(applied(undefined, { state: "flagged", option: null }), { option: null, flagged: true, struck: [] });
});

test("an answer survives in the second place when the first refuses, under the same numbers", async () => {
  const store = new Storage();
  const refusing = { put: async () => { throw new Error("no room"); }, remove: async () => {} };
  const local = new LocalShelf(store);
  const seal = await cipher(KEY);
  const journal = new Journal({ attempt: 5, epoch: 1, token: "t", device: "dev-1", highest: 3, cipher: seal, shelves: [refusing, local] });

  await journal.append({ slot: 2, option: "b", state: "answered", elapsed_ms: 10 });
  assert.equal(journal.keeps, "disk");
  const text = store.getItem("tp.journal.5.dev-1.4");
  assert.ok(text && !text.includes("answered"), "what is kept cannot be read");

  const again = await recall([local], seal, 5, "dev-1");
  assert.equal(again.highest, 4);
  assert.deepEqual(again.events, [{ device: "dev-1", seq: 4, epoch: 1, token: "t", slot: 2, option: "b", state: "answered", elapsed_ms: 10 }]);

  await journal.settle("dev-1", [4], { acked: 4 });
  assert.deepEqual(journal.waiting, []);
  assert.equal(store.getItem("tp.journal.5.dev-1.4"), null);
  assert.equal((await recall([local], seal, 5, "dev-1")).highest, 4, "a number is never used twice");
});

test("with nowhere to write the journal says so, and the answer is still sent", async () => {
  const store = new Storage();
  store.full = true;
  const journal = new Journal({ attempt: 5, epoch: 1, device: "d", highest: 0, cipher: await cipher(KEY), shelves: [new LocalShelf(store)] });
  await journal.append({ slot: 1, option: "a", state: "answered" });
  assert.equal(journal.keeps, "memory");
  assert.equal(journal.ready.length, 1);
});

test("an answer is not sent before it is written", async () => {
  const journal = new Journal({ attempt: 5, epoch: 1, device: "d", highest: 0, cipher: null, shelves: [] });
  const written = journal.append({ slot: 1, option: "a", state: "answered" });
  assert.equal(journal.ready.length, 0);
  assert.equal(journal.waiting.length, 1);
  await written;
  assert.equal(journal.ready.length, 1);
});

test("a record sealed for one place does not open in another, nor with another key", async () => {
  const seal = await cipher(KEY);
  const sealed = await seal.seal(new Uint8Array([1, 2, 3]), "5/d/1");
  assert.deepEqual([...(await seal.open(sealed, "5/d/1"))], [1, 2, 3]);
  await assert.rejects(seal.open(sealed, "5/d/2"));
  const other = await cipher(Buffer.alloc(32).toString("base64"));
  await assert.rejects(other.open(sealed, "5/d/1"));
});

test("a record that does not open is left where it is, and its number stays used", async () => {
  const local = new LocalShelf(new Storage());
  const seal = await cipher(KEY);
  const first = new Journal({ attempt: 5, epoch: 1, device: "d", highest: 0, cipher: seal, shelves: [local] });
  await first.append({ slot: 1, option: "a", state: "answered" });
  const other = await cipher(Buffer.alloc(32).toString("base64"));
  assert.deepEqual(await recall([local], other, 5, "d"), { highest: 1, events: [] });
  assert.equal((await recall([local], seal, 5, "d")).events.length, 1);
});

test("journals of other attempts go after thirty days, this one's stay", async () => {
  const local = new LocalShelf(new Storage());
  const seal = await cipher(KEY);
  for (const [attempt, at] of [[5, 0], [6, 0], [7, 5000]]) {
    const journal = new Journal({ attempt, epoch: 1, device: "d", highest: 0, cipher: seal, shelves: [local], wall: () => at });
    await journal.append({ slot: 1, option: "a", state: "answered" });
  }
  await local.expire(5, 1000);
  const left = await Promise.all([5, 6, 7].map(async (attempt) => (await recall([local], seal, attempt, "d")).events.length));
  assert.deepEqual(left, [1, 0, 1]);
});

test("both places agree on one device", async () => {
  const [first, second] = [new LocalShelf(new Storage()), new LocalShelf(new Storage())];
  await second.keepDevice("known");
  assert.equal(await agreeOnDevice([first, second]), "known");
  assert.equal(await first.device(), "known");
  assert.match(await agreeOnDevice([new LocalShelf(new Storage())]), /^[A-Za-z0-9-]{8,64}$/);
});
