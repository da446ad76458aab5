/** Calls to the server that say how long they took, so that every reply can also set the page's clock. */

/**
 * One exchange. Throws when no reply came (no network, too slow, sent elsewhere by a hotel's sign-in page);
 * any reply at all, whatever its status, comes back as a value.
 */
export async function call(url, { method = "GET", headers = {}, json, body, timeout = 10_000, keepalive = false } = {}) {
  const sent = performance.now();
  const response = await fetch(url, {
    method,
    headers: { Accept: "application/json", ...(json === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
    body: json === undefined ? body : JSON.stringify(json),
    credentials: "same-origin",
    cache: "no-store",
    redirect: "error",
    keepalive,
    // A page that is going away must not call back what it has just sent.
    signal: keepalive ? undefined : AbortSignal.timeout(timeout),
  });
  // Read before the clock is taken: the body can arrive well after the headers.
  const text = await response.text();
  return {
    status: response.status,
    body: readJson(response.headers.get("Content-Type"), text),
    retryAfterMs: retryAfterMs(response.headers.get("Retry-After"), Date.now()),
    sent,
    received: performance.now(),
  };
}

/** The object in a reply, or null. A sign-in page of a network answers 200 too, but not with our JSON. */
export function readJson(contentType, text) {
  if (!/^application\/(\w+\+)?json\b/i.test(contentType ?? "")) return null;
  try {
    const value = JSON.parse(text);
    return value && typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

/** Retry-After is seconds or a date. */
export function retryAfterMs(value, now) {
  if (!value) return null;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}

export function attemptHeaders(token) {
  return { Authorization: `Attempt ${token}` };
}

export function csrfHeaders(root = document) {
  return { "X-CSRFToken": root.querySelector('meta[name="csrf-token"]')?.content ?? "" };
}

/** Exponential back-off with full jitter: anywhere from 0 to the doubled step, so that a crowd does not return as one. */
export function backoff(tries, { first = 250, most = 15_000, random = Math.random } = {}) {
  return random() * Math.min(most, first * 2 ** tries);
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
