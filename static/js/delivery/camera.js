/** The camera, opened once for a page, and the doctor who says what stands in its way and what to press. */

import { fill, words as pageWords } from "./words.js";

export const WANTED = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 15, max: 30 } };
const KNOWN = new Set(["NotAllowedError", "NotFoundError", "NotReadableError", "OverconstrainedError", "SecurityError", "AbortError"]);
const OLD_NAMES = { PermissionDeniedError: "NotAllowedError", DevicesNotFoundError: "NotFoundError", TrackStartError: "NotReadableError", ConstraintNotSatisfiedError: "OverconstrainedError" };

/** The family of the browser, as far as the place of its camera button depends on it. */
export function family(userAgent) {
  if (/\bEdg(e|A|iOS)?\//.test(userAgent)) return "edge";
  if (/\b(Firefox|FxiOS)\//.test(userAgent)) return "firefox";
  if (/(Chrome|Chromium|CriOS)\//.test(userAgent)) return "chrome";
  if (/\bSafari\//.test(userAgent)) return "safari";
  return "other";
}

/** The system under the browser; its own camera switch can be off. */
export function system(userAgent) {
  if (/\bCrOS\b/.test(userAgent)) return "chromeos";
  if (/iPhone|iPad|Android/.test(userAgent)) return "mobile";
  if (/Windows/.test(userAgent)) return "windows";
  return /Mac OS X|Macintosh/.test(userAgent) ? "mac" : "other";
}

/**
 * What went wrong, as the name of an explanation, and where to look for the way out.
 * A NotAllowedError that names the system is not the page's permission but the computer's.
 */
export function diagnose(error, userAgent) {
  const name = OLD_NAMES[error?.name] ?? error?.name ?? "Error";
  const bySystem = name === "NotAllowedError" && /system/i.test(error?.message ?? "");
  return {
    name,
    explanation: bySystem ? "System" : name === "TypeError" ? "Unsupported" : KNOWN.has(name) ? name : "Other",
    family: family(userAgent),
    system: system(userAgent),
  };
}

/** The part of a picture that fills `width` × `height` without stretching: `[x, y, width, height]` of the source. */
export function crop(sourceWidth, sourceHeight, width, height) {
  const scale = Math.min(sourceWidth / width, sourceHeight / height);
  const [w, h] = [width * scale, height * scale];
  return [(sourceWidth - w) / 2, (sourceHeight - h) / 2, w, h];
}

/** Events: `lost` {why}, `back`. */
export class Camera extends EventTarget {
  stream = null;
  #video = null;
  #lost = false;
  #muteTimer = null;

  get track() {
    return this.stream?.getVideoTracks()[0] ?? null;
  }

  get live() {
    return this.track?.readyState === "live" && !this.#lost;
  }

  get label() {
    return this.track?.label ?? "";
  }

  /** Opens the camera, or the one named. Throws the browser's own error. */
  async open(deviceId = null) {
    if (!globalThis.navigator.mediaDevices?.getUserMedia) throw new TypeError("no camera access in this browser");
    this.close();
    const video = deviceId ? { ...WANTED, deviceId: { exact: deviceId } } : WANTED;
    this.stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
    this.#video = document.createElement("video");
    Object.assign(this.#video, { muted: true, playsInline: true, srcObject: this.stream });
    await this.#video.play();
    this.#watch(this.track);
    if (this.#lost) this.#found();
    return this.stream;
  }

  close() {
    clearTimeout(this.#muteTimer);
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
  }

  async devices() {
    const all = await navigator.mediaDevices.enumerateDevices();
    return all.filter((device) => device.kind === "videoinput");
  }

  get size() {
    return { width: this.#video?.videoWidth ?? 0, height: this.#video?.videoHeight ?? 0 };
  }

  /** Draws the present picture into `context`, filling it. False when there is none. */
  draw(context, width, height) {
    const { width: w, height: h } = this.size;
    if (!this.live || !w || !h) return false;
    context.drawImage(this.#video, ...crop(w, h, width, height), 0, 0, width, height);
    return true;
  }

  #watch(track) {
    track.addEventListener("ended", () => this.#lose("ended"));
    // A short mute is the camera adjusting itself.
    track.addEventListener("mute", () => (this.#muteTimer = setTimeout(() => this.#lose("mute"), 2000)));
    track.addEventListener("unmute", () => {
      clearTimeout(this.#muteTimer);
      if (this.#lost) this.#found();
    });
  }

  #lose(why) {
    if (this.#lost) return;
    this.#lost = true;
    this.dispatchEvent(new CustomEvent("lost", { detail: { why } }));
  }

  #found() {
    this.#lost = false;
    this.dispatchEvent(new Event("back"));
  }
}

/** A drawing surface that gives JPEG bytes, off the page where the browser can. */
export class Pencil {
  constructor(width, height) {
    this.canvas = globalThis.OffscreenCanvas ? new OffscreenCanvas(width, height) : Object.assign(document.createElement("canvas"), { width, height });
    this.context = this.canvas.getContext("2d", { alpha: false });
  }

  resize(width, height) {
    if (this.canvas.width !== width) this.canvas.width = width;
    if (this.canvas.height !== height) this.canvas.height = height;
  }

  blob(quality) {
    if (this.canvas.convertToBlob) return this.canvas.convertToBlob({ type: "image/jpeg", quality });
    return new Promise((resolve, reject) => this.canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/jpeg", quality));
  }
}

/** Shows a stream in the `<video data-self-view>` of the page; the picture can be put away. */
export function selfView(root, camera) {
  const video = root.querySelector("[data-self-view]");
  if (!video) return;
  video.muted = true;
  video.srcObject = camera.stream;
  video.play().catch(() => {});
}

/**
 * The doctor. `element` holds `data-doctor-title`, `-what`, `-press`, `-name`, a camera list `select` and a button to try again.
 * `open(deviceId)` is called when the candidate tries; mount resolves to what shows an error or puts the doctor away.
 */
export function mount(element, { camera, open, words = pageWords().camera, userAgent = navigator.userAgent }) {
  const part = (name) => element.querySelector(`[data-doctor-${name}]`);
  const picker = part("picker");

  async function list() {
    const devices = await camera.devices().catch(() => []);
    const named = devices.filter((device) => device.deviceId);
    picker.replaceChildren(...named.map((device, index) => new Option(device.label || fill(words.unnamed, { number: index + 1 }), device.deviceId)));
    part("choice").hidden = named.length < 2;
  }

  part("again").addEventListener("click", () => open(part("choice").hidden ? null : picker.value));
  picker.addEventListener("change", () => open(picker.value));

  const doctor = {
    async fill(error) {
      const found = diagnose(error, userAgent);
      const text = words.errors[found.explanation];
      part("title").textContent = text.title;
      part("what").textContent = text.what;
      const presses = [...(text.press ?? [])];
      if (found.explanation === "NotAllowedError") presses.push(...words.permission[found.family]);
      if (found.explanation === "NotAllowedError" || found.explanation === "System") presses.push(...words.system[found.system]);
      presses.push(words.thenAgain);
      part("press").replaceChildren(...presses.map((press) => Object.assign(document.createElement("li"), { textContent: press })));
      part("name").textContent = fill(words.name, { name: found.name });
      await list();
      element.hidden = false;
      return found;
    },
    async show(error) {
      const found = await doctor.fill(error);
      part("title").focus();
      return found;
    },
    hide() {
      element.hidden = true;
    },
  };
  return doctor;
}
