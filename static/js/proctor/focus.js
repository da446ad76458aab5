/**
 * One candidate, large: picture, what happened in words, time, messages, stills, and every act.
 * It stands beside the grid and covers nothing, so that the others stay in sight.
 */
import { refusal } from "./acts.js";
import * as flagged from "./flags.js";
import { allow, isAllowed, list, part, write } from "./page.js";
import { hasBegun, isFinished, permitted, secondsLeft } from "./state.js";
import { span, timeLeft, timeOfDay } from "./words.js";

/** Which acts a panel shows for a row. Those that never apply in its state are left out, not greyed out. */
export function offered(row, me) {
  if (isFinished(row)) return [];
  if (row.state === "awaiting") return ["admit", "return_to_step"];
  if (!hasBegun(row)) return [];
  const ending = row.end_proposed_by
    ? me.lead && row.end_proposed_by_id !== me.id
      ? ["confirm_end", "withdraw_end"]
      : ["confirm_end", ...(row.end_proposed_by_id === me.id ? ["withdraw_end"] : [])]
    : ["propose_end"];
  return [row.state === "in_progress" ? "pause" : "resume", "give_time", ...ending];
}

export function mount(element, desk) {
  const { say, language } = desk;
  const compose = part(element, "compose");
  const send = part(element, "send");
  const drafts = new Map();
  let id = null;
  let opener = null;
  let details = null;
  let stop = () => {};
  let sending = false;
  let flagsWanted = false;
  const flags = flagged.mount(element, desk, () => load(id));

  list(part(element, "phrases"), desk.settings.phrases, (phrase) => {
    const item = document.createElement("li");
    const button = Object.assign(document.createElement("button"), { type: "button", className: "phrase", textContent: phrase });
    button.addEventListener("click", () => {
      compose.value = compose.value.trim() ? `${compose.value.trim()} ${phrase}` : phrase;
      compose.focus();
      describeSend();
    });
    item.append(button);
    return item;
  });

  for (const button of element.querySelectorAll("[data-act]")) {
    button.addEventListener("click", () => isAllowed(button) && act(button.dataset.act));
  }

  async function act(name) {
    if (name !== "admit") {
      await desk.ask(name, id);
      return;
    }
    const outcome = await desk.act(desk.known().rows.get(id), "admit");
    write(part(element, "problem"), refusal(say, outcome));
  }

  // ---- Messages

  compose.addEventListener("input", describeSend);
  compose.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      part(element, "message").requestSubmit();
    }
  });
  part(element, "message").addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = compose.value.trim();
    if (!isAllowed(send)) return;
    const to = id;
    sending = true;
    describeSend();
    const outcome = await desk.act(desk.known().rows.get(to), "message", { text });
    sending = false;
    if (outcome.kind === "done") {
      drafts.delete(to);
      if (to === id && compose.value.trim() === text) compose.value = "";
    }
    if (to === id) {
      write(part(element, "message-problem"), refusal(say, outcome));
      describeSend();
      if (outcome.kind === "done") load(to);
    }
  });

  function describeSend() {
    allow(send, sending ? say("act.sending") : compose.value.trim() ? null : say("why-not.empty"));
    write(part(element, "room"), compose.value.length > 400 ? say("message.room", { count: 500 - compose.value.length }) : "");
  }

  // ---- What is known of the candidate

  async function load(attempt) {
    try {
      const found = await desk.api.attempt(attempt);
      if (attempt !== id) return;
      details = found;
      desk.heard(found.row);
      describeDetails();
      if (flagsWanted) flags.showFirst();
      flagsWanted = false;
      write(part(element, "details-problem"), "");
    } catch (problem) {
      if (attempt === id) write(part(element, "details-problem"), say(problem.status === 403 ? "refusal.forbidden" : "focus.away"));
    }
  }

  function describeDetails() {
    const { timeline = [], ledger = [], messages = [], photo, evidence = [], steps = [] } = details ?? {};
    entries("timeline", [...timeline].reverse(), moment);
    if (details) flags.show(details.flags ?? [], details.row, desk.view().now);
    entries("ledger", ledger, (text) => Object.assign(document.createElement("li"), { textContent: text }));
    entries("messages", messages, line);
    entries("steps", steps, ({ step, state }) => Object.assign(document.createElement("li"), { textContent: say("focus.step", { step: say(`step.${step}`), state: say(`step-state.${state}`) }) }));
    entries("evidence", [...evidence].reverse(), still);
    const image = part(element, "photo");
    if (photo) image.src = photo;
    else image.removeAttribute("src");
    image.hidden = !photo;
    write(part(element, "no-photo"), photo || !details ? "" : say("queue.no-photo"));
    const talk = part(element, "messages");
    talk.scrollTop = talk.scrollHeight;
  }

  /** A list, or the sentence that says why there is none. */
  function entries(name, values, make) {
    list(part(element, name), values, make);
    part(element, name).hidden = values.length === 0;
    write(part(element, `no-${name}`), values.length || !details ? "" : say(`focus.no-${name}`));
  }

  function moment({ at, words, kind, flag }) {
    const item = document.createElement("li");
    item.dataset.kind = kind ?? "";
    const time = Object.assign(document.createElement("time"), { dateTime: new Date(at).toISOString(), textContent: timeOfDay(at, language, true) });
    if (flag === undefined) item.append(time, Object.assign(document.createElement("span"), { textContent: words }));
    else {
      const button = Object.assign(document.createElement("button"), { type: "button", className: "flags__flag", textContent: words });
      button.addEventListener("click", () => flags.go(flag));
      item.append(time, button);
    }
    return item;
  }

  function line({ from, text, at }) {
    const mine = from !== "candidate";
    const item = Object.assign(document.createElement("li"), { className: mine ? "talk__line talk__line--mine" : "talk__line" });
    const by = say(mine ? "message.by-proctor" : "message.by-candidate", { time: timeOfDay(at, language) });
    item.append(
      Object.assign(document.createElement("span"), { className: "talk__by", textContent: by }),
      Object.assign(document.createElement("p"), { textContent: text }),
    );
    return item;
  }

  function still({ at, url }) {
    const item = document.createElement("li");
    const button = Object.assign(document.createElement("button"), { type: "button", className: "still" });
    const label = say("focus.still", { time: timeOfDay(at, language, true) });
    button.append(
      Object.assign(new Image(), { src: url, alt: "", loading: "lazy" }),
      Object.assign(document.createElement("span"), { textContent: timeOfDay(at, language, true) }),
    );
    button.setAttribute("aria-label", label);
    button.addEventListener("click", () => {
      const dialog = document.getElementById("still");
      const image = part(dialog, "image");
      image.src = url;
      image.alt = label;
      write(part(dialog, "title"), label);
      dialog.showModal();
    });
    item.append(button);
    return item;
  }

  function describe() {
    const row = id === null ? null : desk.known().rows.get(id);
    if (!row) return;
    const { now, live } = desk.view();
    write(part(element, "name"), row.name);
    write(part(element, "number"), row.number == null ? "" : String(row.number));
    write(part(element, "state"), say(`state.${row.state}`));
    part(element, "state").dataset.state = row.state;
    const concern = desk.concern(row);
    write(part(element, "concern"), concern.code ? say(`concern.${concern.code}`) : "");
    part(element, "concern").dataset.rank = concern.rank;
    write(part(element, "no-picture"), isFinished(row) ? say("tile.finished") : !live ? say("tile.away") : desk.pictures.drawnAt.has(id) ? "" : say("tile.no-picture"));

    fact("left", timeLeft(say, secondsLeft(row, now), row.held_since != null));
    fact("answered", hasBegun(row) && row.items ? say("focus.answered", { answered: row.answered ?? 0, items: row.items }) : "");
    fact("contact", isFinished(row) ? "" : row.contact_at == null ? say(`contact.${row.link}`) : say("focus.contact", { word: say(`contact.${row.link}`), ago: span(say, now - row.contact_at) }));
    fact("saved", hasBegun(row) && row.last_save_at != null ? say("focus.ago", { ago: span(say, now - row.last_save_at) }) : "");
    fact("started", row.started_at == null ? "" : timeOfDay(row.started_at, language));
    fact("submitted", row.submitted_at == null ? "" : timeOfDay(row.submitted_at, language));
    const settings = [...(row.settings ?? []), ...(row.detectors === false ? [say("setting.no-detectors")] : [])];
    fact("settings", settings.join(" · "));

    const may = permitted(row, desk.me);
    const acts = offered(row, desk.me);
    const reasons = new Set();
    for (const button of element.querySelectorAll("[data-act]")) {
      const name = button.dataset.act;
      button.hidden = !acts.includes(name);
      const reason = may[name] && say(`why-not.${may[name]}`, { by: row.end_proposed_by ?? "" });
      allow(button, reason);
      if (!button.hidden && reason) reasons.add(reason);
    }
    write(part(element, "why-not"), [...reasons].join(" "));
    write(part(element, "proposed"), row.end_proposed_by ? say(row.end_proposed_by_id === desk.me.id ? "focus.proposed-by-you" : "focus.proposed", { by: row.end_proposed_by }) : "");
  }

  function fact(name, text) {
    write(part(element, name), text ?? "");
    part(element, name).closest("div").hidden = !text;
  }

  part(element, "close").addEventListener("click", () => desk.close());

  return {
    id: () => id,
    open(attempt, from) {
      if (id !== null && compose.value.trim()) drafts.set(id, compose.value);
      else if (id !== null) drafts.delete(id);
      stop();
      id = attempt;
      opener = from ?? opener;
      flagsWanted = false;
      details = null;
      flags.open(attempt);
      stop = desk.pictures.show(attempt, part(element, "picture"));
      compose.value = drafts.get(attempt) ?? "";
      for (const problem of ["problem", "message-problem", "details-problem"]) write(part(element, problem), "");
      describeDetails();
      describeSend();
      describe();
      element.scrollTop = 0;
      part(element, "heading").focus();
      load(attempt);
    },
    /** @returns where the keyboard was before */
    close() {
      if (compose.value.trim()) drafts.set(id, compose.value);
      stop();
      stop = () => {};
      id = null;
      details = null;
      flags.open(null);
      const from = opener;
      opener = null;
      return from;
    },
    refresh: describe,
    /** Something new was written about the candidate. */
    touched: (ids) => ids.includes(id) && load(id),
    reload: () => id !== null && load(id),
    write: () => compose.focus(),
    /** To the first flag that nobody has decided; at once, or when they are known. */
    showFlags() {
      if (details) flags.showFirst();
      else flagsWanted = true;
    },
  };
}
