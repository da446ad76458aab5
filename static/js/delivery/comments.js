/** What a candidate writes about a question, from the review. It goes a way of its own: no answer ever waits for it. */

import { fill, words as pageWords } from "./words.js";

/** One comment and its key: what did not go out is sent again under the key that it had, so that it is kept once. */
export class Draft {
  constructor(newKey = () => crypto.randomUUID()) {
    this.newKey = newKey;
    this.sent();
  }

  /** What to send for these words about this question; other words are another comment. */
  of(slot, text) {
    if (this.key === null || this.slot !== slot || this.text !== text) Object.assign(this, { key: this.newKey(), slot, text });
    return { slot, text, key: this.key };
  }

  sent() {
    Object.assign(this, { key: null, slot: null, text: null });
  }
}

/** `element` holds the form; `send(comment)` resolves when the server has it and rejects when not. */
export function mount(element, { send, words = pageWords().comments }) {
  const form = element.querySelector("form");
  const say = element.querySelector("[data-comments-say]");
  const { question, comment: text } = form.elements;
  const draft = new Draft();
  let thanks = null;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = text.value.trim();
    const about = question.options[question.selectedIndex].textContent;
    if (!said) {
      // Pressed once more after it was kept, it stays kept.
      if (say.textContent !== thanks) say.textContent = words.empty;
      return text.focus();
    }
    say.textContent = words.sending;
    try {
      await send(draft.of(Number(question.value), said));
      draft.sent();
      // What was written meanwhile is a comment of its own.
      if (text.value.trim() === said) text.value = "";
      thanks = fill(words.sent, { number: about.trim() });
      say.textContent = thanks;
    } catch {
      say.textContent = words.notSent;
    }
    return undefined;
  });
}
