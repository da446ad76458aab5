/** The waiting room: the candidate's place in line, and the way on as soon as a proctor has decided. */

import { call, sleep } from "./http.js";
import { counted, pageLanguage, words as pageWords } from "./words.js";

const ASK_EACH_MS = 3_000;
const READ_FIRST_MS = 3_000;

/** What the page does with a reply: `go` on by itself, `back` to a step with a reason, or `wait`. */
export function onward({ state, next }) {
  if (!next) return "wait";
  return state === "checking_in" ? "back" : "go";
}

export async function mount(element) {
  const { url } = JSON.parse(document.getElementById("place").textContent);
  const words = pageWords().waiting;
  const part = (name) => element.querySelector(`[data-${name}]`);
  let shown = null;
  let lost = 0;

  function showPlace(position) {
    const sentence = position > 0 ? counted(words.place, position, {}, pageLanguage()) : words.soon;
    // The same words again would be read aloud again.
    if (sentence !== shown) part("place").textContent = shown = sentence;
  }

  function showMessages(messages) {
    part("messages").hidden = messages.length === 0;
    part("messages-list").replaceChildren(...messages.map(({ text }) => Object.assign(document.createElement("li"), { textContent: text })));
  }

  for (;;) {
    try {
      const { body } = await call(url, { timeout: 8_000 });
      if (!body?.state) throw new Error("no place");
      lost = 0;
      part("offline").hidden = true;
      showMessages(body.messages ?? []);
      const way = onward(body);
      if (way === "go") {
        part("place").textContent = words.admitted;
        await sleep(READ_FIRST_MS);
        return location.assign(body.next);
      }
      if (way === "back") {
        part("reason").textContent = body.reason || words.noReason;
        part("back-link").href = body.next;
        part("back").hidden = false;
        part("back").focus();
        part("place").textContent = "";
        return undefined;
      }
      showPlace(body.position);
    } catch {
      lost += 1;
      part("offline").hidden = lost < 2;
    }
    await sleep(ASK_EACH_MS);
  }
}
