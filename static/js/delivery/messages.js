/** Messages between the proctor and the candidate: a banner for what is new, all of them in a dialog, a box to reply. */

import { counted, fill, pageLanguage, words as pageWords } from "./words.js";

/** Old and new messages as one list without repeats, in the order of their numbers. */
export function joined(known, arrived) {
  const byNumber = new Map([...known, ...arrived].map((message) => [message.number, message]));
  return [...byNumber.values()].sort((a, b) => a.number - b.number);
}

/** Those of the proctor that were not yet read. */
export function unread(messages, seen) {
  return messages.filter((message) => message.from !== "candidate" && message.number > seen);
}

/** Grants of time not yet told: they are only ever added, so the count says which are new. */
export function newGrants(grants, told) {
  return grants.slice(told);
}

export function timeOfDay(at, lang, withSeconds = false) {
  return new Intl.DateTimeFormat(lang, { timeStyle: withSeconds ? "medium" : "short" }).format(new Date(at));
}

/**
 * `element` is the dialog; `banner` a status region; `count` shows how many are unread. `send(text)` resolves when the server
 * has the message and rejects when not. `seen` is kept over a reload by `keep`.
 */
export function mount(element, { banner, counts = [], send, keep, words = pageWords().messages }) {
  const lang = pageLanguage();
  const list = element.querySelector("[data-messages]");
  const form = element.querySelector("form");
  const say = element.querySelector("[data-messages-say]");
  const box = form.elements.text;
  let messages = [];
  let seen = keep.read() ?? 0;
  let announced = seen;

  function draw() {
    list.replaceChildren(...messages.map((message) => lineOf(message, words, lang)));
    list.scrollTop = list.scrollHeight;
    element.querySelector("[data-messages-none]").hidden = messages.length > 0;
    const fresh = unread(messages, seen).length;
    for (const place of counts) {
      place.hidden = fresh === 0;
      place.textContent = fresh ? counted(words.unread, fresh, {}, lang) : "";
    }
  }

  function read() {
    seen = Math.max(seen, ...messages.map((message) => message.number));
    keep.write(seen);
    banner.hide();
    draw();
  }

  function add(arrived) {
    if (!arrived?.length) return;
    messages = joined(messages, arrived);
    if (element.open) read();
    const fresh = unread(messages, Math.max(seen, announced));
    if (fresh.length) {
      announced = fresh.at(-1).number;
      banner.show(fill(words.arrived, { text: fresh.at(-1).text }));
    }
    draw();
  }

  element.addEventListener("close", () => (say.textContent = ""));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = box.value.trim();
    if (!text) return box.focus();
    say.textContent = words.sending;
    try {
      const { number, at } = await send(text);
      box.value = "";
      say.textContent = words.sent;
      add([{ number, at, from: "candidate", text }]);
    } catch {
      say.textContent = words.notSent;
    }
  });
  draw();
  return {
    add,
    read,
    open() {
      if (!element.open) element.showModal();
      read();
    },
    get last() {
      return messages.at(-1)?.number ?? 0;
    },
  };
}

function lineOf({ from, text, at }, words, lang) {
  const mine = from === "candidate";
  const line = document.createElement("li");
  line.className = mine ? "talk__line talk__line--mine" : "talk__line";
  const by = document.createElement("span");
  by.className = "talk__by";
  by.textContent = fill(mine ? words.byMe : words.byProctor, { at: timeOfDay(at, lang) });
  const said = document.createElement("p");
  said.textContent = text;
  line.append(by, said);
  return line;
}
