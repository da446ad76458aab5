/**
 * What the console knows of a session, and what follows from it. Nothing here touches the page.
 *
 * Instants are milliseconds of the server's clock. A reducer takes what is known and what was heard, and returns
 * what is known now; it never changes what it was given.
 */

/** With nothing heard for this long while frames were coming, a picture counts as stopped. */
export const PICTURE_PATIENCE_MS = 20_000;

const FINISHED = new Set(["submitted", "terminated", "abandoned", "sealed", "refused", "voided_retest", "no_show", "cancelled"]);
const BEFORE = new Set(["scheduled", "checking_in", "in_person_offered", "awaiting", "admitted"]);

/** @returns what is known before the first word from the server */
export function nothing() {
  return { version: -1, rows: new Map(), news: new Set(), looked: new Map() };
}

// ---- Reducers -------------------------------------------------------------------------------------------------

/** Every attempt of the session. What an act has already taught us is kept where it is newer. */
export function snapshot(known, { version = known.version, rows = [] }) {
  const kept = new Map(rows.map((row) => [row.id, newer(known.rows.get(row.id), row)]));
  return {
    ...known,
    version,
    rows: kept,
    news: new Set([...known.news].filter((id) => kept.has(id))),
  };
}

/**
 * Rows that changed. An attempt that was touched and whose state stayed as it was has something new to read;
 * a change of state says so by itself.
 */
export function delta(known, { version, rows = [], touched = [] }) {
  if (version !== undefined && version <= known.version) return known;
  const merged = new Map(known.rows);
  const news = new Set(known.news);
  for (const row of rows) merged.set(row.id, newer(known.rows.get(row.id), row));
  for (const id of touched) {
    if (known.rows.has(id) && known.rows.get(id).state === merged.get(id).state) news.add(id);
  }
  return { ...known, version: version ?? known.version, rows: merged, news };
}

/** The row that the server returned for an act of this proctor: nothing about it is news to them. */
export function acted(known, row) {
  const rows = new Map(known.rows);
  rows.set(row.id, newer(known.rows.get(row.id), row));
  return { ...known, rows, news: without(known.news, row.id) };
}

/** This proctor looks at the candidate now. */
export function looked(known, id, now) {
  return { ...known, looked: new Map(known.looked).set(id, now), news: without(known.news, id) };
}

function newer(before, row) {
  return before && before.version > row.version ? before : row;
}

function without(set, id) {
  if (!set.has(id)) return set;
  const rest = new Set(set);
  rest.delete(id);
  return rest;
}

// ---- Readings of one row --------------------------------------------------------------------------------------

export const isPaused = (row) => row.state.startsWith("paused") || row.state === "awaiting_resume";
export const isFinished = (row) => FINISHED.has(row.state);
export const isWaiting = (row) => row.state === "awaiting" || row.state === "awaiting_resume";
export const hasBegun = (row) => !BEFORE.has(row.state);

/**
 * Seconds left of the test, or null when no clock applies. A stopped clock shows the minutes the server reckoned,
 * because its deadline moves on with every second of the hold.
 */
export function secondsLeft(row, now) {
  if (isFinished(row) || row.deadline == null) return null;
  if (row.held_since == null) return Math.max(0, Math.ceil((row.deadline - now) / 1000));
  if (row.minutes_left != null) return Math.max(0, Math.round(row.minutes_left * 60));
  return Math.max(0, Math.ceil((row.deadline - row.held_since) / 1000));
}

/** Whole minutes as a person counts them: 59 seconds left is one minute left. */
export function minutesLeft(row, now) {
  const seconds = secondsLeft(row, now);
  return seconds === null ? null : Math.ceil(seconds / 60);
}

/**
 * Why a candidate needs a look, and how urgently (0 is not at all).
 *
 * @param view {now, news: Set, pictures: Map of attempt -> instant of the last picture drawn, live: bool}
 */
export function concern(row, view) {
  if (isFinished(row)) return row.unread > 0 ? { rank: 3, code: "message" } : CALM;
  if (row.end_proposed_by) return { rank: 6, code: "end" };
  if (row.state === "awaiting_resume") return { rank: 6, code: "resume" };
  if (row.state === "paused_technical" || (row.state === "in_progress" && row.link === "offline")) return { rank: 5, code: "lost" };
  if (row.state === "paused_lockdown") return { rank: 5, code: "lockdown" };
  if (row.unread > 0) return { rank: 4, code: "message" };
  if (row.state === "in_progress" && pictureStopped(row.id, view)) return { rank: 3, code: "picture" };
  if (row.state === "in_progress" && row.link === "degraded") return { rank: 2, code: "weak" };
  if (view.news.has(row.id)) return { rank: 1, code: "news" };
  return CALM;
}

/**
 * How far to the front a candidate stands when the grid is put in order: by what needs a look, and among equals
 * those with flags that nobody has decided. A flag alone never comes before a concern.
 */
export function precedence(row, view) {
  return concern(row, view).rank + (hasOpenFlags(row) ? 0.5 : 0);
}

export const hasOpenFlags = (row) => (row.open_flags ?? 0) > 0;

/** What software notices at this moment and did not before: `[{id, flag}]`, one for each candidate. */
export function noticed(before, after) {
  const found = [];
  for (const [id, row] of after) {
    const known = new Set((before.get(id)?.active_flags ?? []).map(({ signal }) => signal));
    const flag = (row.active_flags ?? []).find(({ signal }) => !known.has(signal));
    if (flag) found.push({ id, flag });
  }
  return found;
}

/** Flags in the order in which a proctor reads them: undecided ones first, the oldest on top; then the decided, the newest on top. */
export function readingOrder(flags) {
  const decided = ({ outcome }) => outcome !== "open";
  return [...flags].sort((a, b) => decided(a) - decided(b) || (decided(a) ? b.began_at - a.began_at : a.began_at - b.began_at) || a.id - b.id);
}

/** Where a flag lies on a strip from `first` to `last`, in hundredths of its width; at least one wide, so that it is seen. */
export function place({ began_at: began, ended_at: ended }, first, last) {
  const whole = Math.max(1, last - first);
  const within = (at) => Math.min(100, Math.max(0, (100 * (at - first)) / whole));
  const left = Math.min(99, within(began));
  return { left, width: Math.max(1, within(ended ?? last) - left) };
}

const CALM = Object.freeze({ rank: 0, code: null });

/** Only pictures that were coming can stop: a candidate at a facility has none. */
export function pictureStopped(id, { now, pictures, live }) {
  const drawn = pictures.get(id);
  return Boolean(live) && drawn !== undefined && now - drawn > PICTURE_PATIENCE_MS;
}

// ---- Readings of the session ----------------------------------------------------------------------------------

/** Those who wait for a proctor, the longest wait first. */
export function waiting(known) {
  return [...known.rows.values()]
    .filter(isWaiting)
    .sort((a, b) => (a.waiting_since ?? Infinity) - (b.waiting_since ?? Infinity) || a.id - b.id);
}

export function counts(known) {
  const found = { waiting: 0, in_progress: 0, paused: 0, finished: 0, all: known.rows.size };
  for (const row of known.rows.values()) {
    if (isWaiting(row)) found.waiting += 1;
    if (row.state === "in_progress") found.in_progress += 1;
    else if (isPaused(row)) found.paused += 1;
    else if (isFinished(row)) found.finished += 1;
  }
  return found;
}

/**
 * Who of those taking the test has been out of sight longest: `{row, since}`, or null.
 * One who was never opened counts from the start of their test.
 */
export function longestUnseen(known, now) {
  let found = null;
  for (const row of known.rows.values()) {
    if (row.state !== "in_progress") continue;
    const since = Math.max(known.looked.get(row.id) ?? 0, row.started_at ?? 0) || now;
    if (!found || since < found.since) found = { row, since };
  }
  return found;
}

/**
 * Whose need of a look is new or has become more urgent: what a screen reader is told. News alone (rank 1)
 * is shown and not spoken.
 */
export function risen(before, after) {
  return [...after].filter(([id, { rank }]) => rank >= 2 && rank > (before.get(id)?.rank ?? 0)).map(([id]) => id);
}

/**
 * What the proctor can do with this candidate now: `{act: null or the code of the reason why not}`.
 * The server decides again; this spares the proctor a refusal.
 */
export function permitted(row, me) {
  const over = isFinished(row) ? "finished" : null;
  const early = hasBegun(row) ? null : "not-begun";
  const held = row.state === "paused_proctor" || row.state === "awaiting_resume";
  return {
    admit: row.state === "awaiting" ? null : over ?? "not-waiting",
    return_to_step: row.state === "awaiting" ? null : over ?? "not-waiting",
    pause: over ?? early ?? (row.state === "in_progress" ? null : "stopped-already"),
    resume: over ?? early ?? (held ? null : row.state === "in_progress" ? "running" : "resumes-itself"),
    message: null,
    give_time: over ?? early,
    propose_end: over ?? early ?? (row.end_proposed_by ? "end-proposed" : null),
    confirm_end: row.end_proposed_by ? secondPerson(row, me) : "no-proposal",
    withdraw_end: row.end_proposed_by ? (row.end_proposed_by_id === me.id ? null : secondPerson(row, me)) : "no-proposal",
  };
}

function secondPerson(row, me) {
  if (row.end_proposed_by_id === me.id) return "own-proposal";
  return me.lead ? null : "lead-only";
}
