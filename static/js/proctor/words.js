/**
 * The console's sentences. The template writes them from the catalogues into a block of the page; here they
 * are looked up and their {blanks} filled in.
 */

export function fill(sentence, facts = {}) {
  return sentence.replace(/\{(\w+)\}/g, (blank, name) => (name in facts ? String(facts[name]) : blank));
}

/**
 * @param sentences nested object of sentences; one that counts is `{one: "…", other: "…"}` with the blank {count}
 * @returns say("tile.saved", {ago}) -> the sentence; a missing one shows its own name, so that a test can find it
 */
export function speaker(sentences, language = "en") {
  const plural = new Intl.PluralRules(language);
  return (name, facts = {}) => {
    let found = name.split(".").reduce((part, step) => part?.[step], sentences);
    if (found !== null && typeof found === "object") found = found[plural.select(facts.count)] ?? found.other;
    return typeof found === "string" ? fill(found, facts) : name;
  };
}

/** The same words at the head of a line. */
export function capital(text) {
  return text.charAt(0).toLocaleUpperCase() + text.slice(1);
}

/** Read the page's own block of sentences. */
export function fromPage(page = document) {
  return speaker(JSON.parse(page.getElementById("words").textContent), page.documentElement.lang || "en");
}

/**
 * A length of time as `{unit, count}`. Seconds go in steps of ten: thirty-six tiles that count single seconds
 * would draw the eye without telling it anything.
 */
export function age(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 10) return { unit: "moment", count: 0 };
  if (seconds < 60) return { unit: "seconds", count: seconds - (seconds % 10) };
  if (seconds < 3600) return { unit: "minutes", count: Math.floor(seconds / 60) };
  return { unit: "hours", count: Math.floor(seconds / 3600) };
}

export function span(say, ms) {
  const { unit, count } = age(ms);
  return say(`span.${unit}`, { count });
}

/**
 * Time left: whole minutes, and under five minutes minutes and seconds; null when no clock applies.
 *
 * @param words `left` for a sentence of its own, `left-short` beside a word that already says whether the clock runs
 */
export function timeLeft(say, seconds, held, words = "left") {
  if (seconds === null) return null;
  if (seconds === 0) return say(`${words}.none`);
  if (held) return say(`${words}.held`, { count: Math.ceil(seconds / 60) });
  if (seconds < 300) return say(`${words}.clock`, { clock: `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}` });
  return say(`${words}.minutes`, { count: Math.ceil(seconds / 60) });
}

/** The time of day of an instant, in the reader's own zone. */
export function timeOfDay(instant, language, withSeconds = false) {
  return new Intl.DateTimeFormat(language, { timeStyle: withSeconds ? "medium" : "short" }).format(new Date(instant));
}
