/**
 * Acts of a proctor: what each asks for, the one dialog that asks, and the sentence for every outcome.
 * Each act carries the version of the row that the proctor was looking at, so nothing is decided on an old picture.
 */
import { allow, isAllowed, list, part, write } from "./page.js";
import { permitted } from "./state.js";

/** What a proctor fills in for each act. */
const ASKED = {
  admit: [],
  return_to_step: ["step", "category", "text"],
  pause: ["category", "text"],
  resume: ["note"],
  give_time: ["minutes", "category", "text"],
  propose_end: ["category", "text"],
  confirm_end: [],
  withdraw_end: [],
};
const REASONS = { return_to_step: "return", pause: "pause", give_time: "time", propose_end: "end" };

/** Minutes one person may give in one act. What was given before counts too; only the server knows that sum. */
export function minutesLimit({ proctor_minutes: proctor, lead_minutes: lead }, me) {
  return me.lead ? lead : proctor;
}

/** The fields of an act as the server takes them. */
export function fields(act, filled) {
  const asked = ASKED[act];
  const found = {};
  if (asked.includes("step")) found.step = filled.step;
  if (asked.includes("minutes")) found.minutes = Number(filled.minutes);
  if (asked.includes("category")) found.reason = { category: filled.category, text: (filled.text ?? "").trim() };
  if (asked.includes("note")) found.note = (filled.note ?? "").trim();
  return found;
}

/** What is missing before the act can be sent: the name of a sentence, or null. */
export function missing(act, filled, limit) {
  const asked = ASKED[act];
  const minutes = Number(filled.minutes);
  if (asked.includes("step") && !filled.step) return "missing.step";
  if (asked.includes("minutes") && !(Number.isInteger(minutes) && minutes >= 1 && minutes <= limit)) return "missing.minutes";
  if (asked.includes("category") && !filled.category) return "missing.category";
  return null;
}

/** Why an act does not fit the row as it stands, or null. */
export function unfit(act, row, me) {
  return permitted(row, me)[act];
}

/** What the proctor reads when an act did not go through; null when it did. */
export function refusal(say, outcome) {
  switch (outcome.kind) {
    case "done":
      return null;
    case "moved":
      return say("refusal.moved", { state: say(`state.${outcome.row.state}`) });
    case "refused":
      return outcome.sentence || say("refusal.refused");
    default:
      return say(`refusal.${outcome.kind}`);
  }
}

/** The dialog of all acts that need words, a choice or a second thought. */
export function mount(element, desk) {
  const { say } = desk;
  const form = element.querySelector("form");
  const send = part(element, "send");
  const problem = part(element, "problem");
  const limit = minutesLimit(desk.settings.limits, desk.me);
  let act = null;
  let id = null;
  let sending = false;
  let finish = () => {};

  list(part(element, "step-list"), desk.settings.steps, (step) => new Option(say(`step.${step}`), step));
  form.elements.minutes.max = limit;

  function ask(name, attempt) {
    act = name;
    id = attempt;
    form.reset();
    write(problem, "");
    for (const field of element.querySelectorAll("[data-field]")) field.hidden = !ASKED[act].includes(field.dataset.field);
    const reasons = desk.settings.reasons[REASONS[act]] ?? [];
    list(part(element, "category-list"), [{ code: "", label: say("act.choose") }, ...reasons], ({ code, label }) => new Option(label, code));
    const row = desk.known().rows.get(id);
    write(part(element, "title"), say(`act.${act}.title`, { name: row.name }));
    write(part(element, "explanation"), say(`act.${act}.explanation`, { name: row.name, by: row.end_proposed_by ?? "", limit }));
    write(send, say(`act.${act}.send`));
    send.classList.toggle("usa-button--secondary", act === "propose_end" || act === "confirm_end");
    refresh();
    element.showModal();
    // An act that asks for nothing would have the keyboard on its own button: Enter must not end a test by surprise.
    if (ASKED[act].length === 0) part(element, "cancel").focus();
    return new Promise((resolve) => {
      finish = resolve;
    });
  }

  /** The candidate may move on while the dialog is open: then the button says why it rests. */
  function refresh() {
    if (!id) return;
    const row = desk.known().rows.get(id);
    const reason = row ? permitted(row, desk.me)[act] : "not-here";
    allow(send, sending ? say("act.sending") : reason && say(`why-not.${reason}`));
    write(part(element, "why-not"), reason ? say(`why-not.${reason}`) : "");
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!isAllowed(send)) return;
    const filled = Object.fromEntries(new FormData(form));
    const lacking = missing(act, filled, limit);
    if (lacking) {
      write(problem, say(lacking, { limit }));
      form.elements[lacking.split(".")[1]].focus();
      return;
    }
    sending = true;
    refresh();
    const outcome = await desk.act(desk.known().rows.get(id), act, fields(act, filled));
    sending = false;
    refresh();
    const sentence = refusal(say, outcome);
    if (sentence) {
      write(problem, "");
      write(problem, sentence);
      return;
    }
    element.close("done");
  });
  element.addEventListener("close", () => {
    const done = element.returnValue === "done";
    element.returnValue = "";
    id = null;
    finish(done);
  });

  return { ask, refresh };
}
