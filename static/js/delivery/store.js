/** The browser's own storage for one origin, and the cipher for what is put there. */

const NAME = "tp.delivery";
const VERSION = 1;
const OPEN_WITHIN_MS = 4000;

/** Stores: `about` (the device), `attempts` (highest numbers used), `responses`, `events`, `stills`. */
function build(db) {
  db.createObjectStore("about", { keyPath: "name" });
  db.createObjectStore("attempts", { keyPath: "attempt" });
  db.createObjectStore("responses", { keyPath: ["attempt", "device", "seq"] });
  db.createObjectStore("events", { keyPath: ["attempt", "id"] });
  db.createObjectStore("stills", { keyPath: ["attempt", "epoch", "seq"] });
}

export function openDatabase(factory = globalThis.indexedDB) {
  return new Promise((resolve, reject) => {
    if (!factory) return reject(new Error("no IndexedDB"));
    // Some browsers leave the request unanswered after a crash; a test cannot wait for that.
    const timer = setTimeout(() => reject(new Error("IndexedDB did not open")), OPEN_WITHIN_MS);
    const request = factory.open(NAME, VERSION);
    request.onupgradeneeded = () => build(request.result);
    request.onsuccess = () => {
      clearTimeout(timer);
      request.result.onversionchange = () => request.result.close();
      resolve(request.result);
    };
    request.onerror = () => {
      clearTimeout(timer);
      reject(request.error);
    };
  });
}

/** Runs `work(store…)` in one transaction and resolves once it is on disk, not merely handed to the system. */
export function write(db, names, work) {
  return new Promise((resolve, reject) => {
    const transaction = db.transaction(names, "readwrite", { durability: "strict" });
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error ?? new Error("aborted"));
    work(...names.map((name) => transaction.objectStore(name)));
  });
}

export function read(db, name, query) {
  return new Promise((resolve, reject) => {
    const request = query(db.transaction(name).objectStore(name));
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Every record whose key starts with `attempt`. */
export function ofAttempt(attempt) {
  return globalThis.IDBKeyRange.bound([attempt], [attempt, []]);
}

/** Removes records of other attempts that were written before `before` (ms since 1970). */
export function expire(db, name, attempt, before) {
  return write(db, [name], (store) => {
    store.openCursor().onsuccess = ({ target }) => {
      const cursor = target.result;
      if (!cursor) return;
      if (cursor.value.attempt !== attempt && cursor.value.at < before) cursor.delete();
      cursor.continue();
    };
  });
}

/**
 * AES-GCM with the key that the server keeps for this attempt: a shared computer shows nothing to whoever sits
 * there next. The label is bound to the text, so that a record cannot be moved to another place.
 */
export async function cipher(base64, crypto = globalThis.crypto) {
  if (!base64 || !crypto?.subtle) return null;
  const raw = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  const key = await crypto.subtle.importKey("raw", raw, "AES-GCM", false, ["encrypt", "decrypt"]);
  const algorithm = (iv, label) => ({ name: "AES-GCM", iv, additionalData: new TextEncoder().encode(label) });
  return {
    async seal(bytes, label) {
      const iv = crypto.getRandomValues(new Uint8Array(12));
      return { iv, data: new Uint8Array(await crypto.subtle.encrypt(algorithm(iv, label), key, bytes)) };
    },
    async open({ iv, data }, label) {
      return new Uint8Array(await crypto.subtle.decrypt(algorithm(iv, label), key, data));
    },
  };
}

export function uuid(crypto = globalThis.crypto) {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** localStorage where it may be used; reading the property alone throws when cookies are blocked. */
export function localStore(scope = globalThis) {
  try {
    const store = scope.localStorage;
    store.getItem("tp.device");
    return store;
  } catch {
    return null;
  }
}
