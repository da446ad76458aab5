/**
 * The console's HTTP calls. An act answers with what became of it, never with an exception: the proctor is
 * in the middle of something and needs a sentence.
 */

/**
 * What a reply to an act means: `{kind, …}` with kind `done`, `moved`, `refused`, `forbidden`, `signed-out`,
 * `away` (try again, the same act) or `fault`.
 */
export function outcome(status, body) {
  if (status >= 200 && status < 300 && body?.row) return { kind: "done", row: body.row, ...(body.flag && { flag: body.flag }) };
  if (status === 409 && body?.row) return { kind: "moved", row: body.row, ...(body.flag && { flag: body.flag }) };
  if (status === 401) return { kind: "signed-out" };
  if (status === 403) return { kind: "forbidden" };
  if (status === 422) return { kind: "refused", code: body?.code, facts: body?.facts ?? {}, sentence: body?.sentence ?? "" };
  if (status === 429 || status >= 500) return { kind: "away" };
  return { kind: "fault", status };
}

/**
 * The key of each act that has not been answered. The same act again has the same key, so that a second try
 * after a lost reply is not a second act; an act with other words or for another version is another act.
 */
export class Keys {
  #make;
  #open = new Map();

  constructor(make = () => crypto.randomUUID()) {
    this.#make = make;
  }

  of(object, body) {
    const act = `${object} ${JSON.stringify(body)}`;
    if (!this.#open.has(act)) this.#open.set(act, this.#make());
    return this.#open.get(act);
  }

  settle(object, body) {
    this.#open.delete(`${object} ${JSON.stringify(body)}`);
  }
}

/** The address of an attempt from the template's one for attempt 0. */
export function address(pattern, attempt) {
  return pattern.replace(/\/0(?=\/|$)/, `/${attempt}`);
}

export class Api {
  #urls;
  #token;
  #fetch;
  #keys;

  constructor({ urls, token, fetch = globalThis.fetch.bind(globalThis), keys = new Keys() }) {
    this.#urls = urls;
    this.#token = token;
    this.#fetch = fetch;
    this.#keys = keys;
  }

  /** Every row of the session, as the live socket's snapshot gives them. */
  rows() {
    return this.#get(this.#urls.rows);
  }

  /** Row, timeline, ledger, messages, photo and stills of one candidate. */
  attempt(id) {
    return this.#get(address(this.#urls.attempt, id));
  }

  async ticket() {
    const { ticket } = await this.#answer(this.#urls.ticket, this.#post({}));
    return ticket;
  }

  /** @param fields what the act needs besides its name and the row's version */
  act(row, name, fields = {}) {
    return this.#do(address(this.#urls.acts, row.id), { act: name, version: row.version, ...fields });
  }

  /** What a person decides about a flag. @param act `dismiss` or `confirm` */
  decide(attempt, flag, act, note) {
    return this.#do(`${address(this.#urls.flags, attempt)}/${flag}`, { act, note });
  }

  async #do(url, act) {
    const key = this.#keys.of(url, act);
    let found;
    try {
      const reply = await this.#fetch(url, this.#post({ ...act, key }));
      found = outcome(reply.status, await reply.json().catch(() => null));
    } catch {
      found = { kind: "away" };
    }
    if (found.kind !== "away") this.#keys.settle(url, act);
    return found;
  }

  #post(body) {
    return {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": this.#token },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(15_000),
    };
  }

  #get(url) {
    return this.#answer(url, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(15_000) });
  }

  async #answer(url, request) {
    const reply = await this.#fetch(url, { credentials: "same-origin", ...request });
    if (!reply.ok) throw new Unanswered(reply.status);
    return reply.json();
  }
}

/** The server's refusal of a read. */
export class Unanswered extends Error {
  constructor(status) {
    super(`HTTP ${status}`);
    this.status = status;
  }
}
