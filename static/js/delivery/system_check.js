/** The check of the candidate's computer, days before the test: browser, camera, clock, connection. */

import { Camera, mount as mountDoctor, selfView } from "./camera.js";
import { best, offsetOf } from "./clock.js";
import { call, csrfHeaders } from "./http.js";
import { fill, words as pageWords } from "./words.js";

const CLOCK_TRIES = 5;
const PROBE_BYTES = 131_072;
export const ENOUGH_KBPS = 200;

/** What the test page needs and this browser lacks. */
export function missing(scope = globalThis) {
  const needs = {
    storage: scope.indexedDB || scope.localStorage,
    encryption: scope.crypto?.subtle,
    sockets: scope.WebSocket,
    dialogs: scope.HTMLDialogElement,
    camera: scope.navigator?.mediaDevices?.getUserMedia,
  };
  return Object.keys(needs).filter((name) => !needs[name]);
}

/** Bytes sent in a span of time, as kilobits in a second. */
export function kbps(bytes, ms) {
  return Math.round((bytes * 8) / Math.max(1, ms));
}

export async function clockOffset(ask, tries = CLOCK_TRIES) {
  const samples = [];
  for (let index = 0; index < tries; index += 1) {
    const { sent, received, body } = await ask();
    samples.push({ sent, received, serverNow: body.server_now });
  }
  const chosen = best(samples);
  return { offset: offsetOf(chosen), rtt: Math.round(chosen.received - chosen.sent) };
}

export async function mount(element) {
  const settings = JSON.parse(document.getElementById("check").textContent);
  const words = pageWords();
  const camera = new Camera();
  const start = element.querySelector("[data-start]");
  const next = element.querySelector("[data-next]");
  const summary = element.querySelector("[data-summary]");
  const doctor = settings.media ? mountDoctor(element.querySelector("[data-doctor]"), { camera, open: (device) => run(device), words: words.camera }) : null;
  let running = false;

  function show(name, state, sentence) {
    const line = element.querySelector(`[data-check="${name}"]`);
    line.classList.toggle("checks__line--done", state === "done");
    line.classList.toggle("checks__line--act", state === "act");
    line.querySelector("[data-say]").textContent = sentence;
    const badge = line.querySelector("[data-state]");
    badge.className = `state${{ done: " state--good", act: " state--warn", busy: " state--info" }[state] ?? ""}`;
    badge.textContent = words.states[state];
  }

  function checkBrowser() {
    const lacks = missing().filter((name) => settings.media || name !== "camera");
    show("browser", lacks.length ? "act" : "done", lacks.length ? words.browser.old : words.browser.good);
    return lacks.length === 0;
  }

  async function checkCamera(deviceId) {
    show("camera", "busy", words.camera.asking);
    try {
      await camera.open(deviceId);
    } catch (error) {
      const found = await doctor.show(error);
      show("camera", "act", words.camera.errors[found.explanation].title);
      return { ok: false, error: found.name, label: null, width: null, height: null };
    }
    doctor.hide();
    element.querySelector("[data-preview]").hidden = false;
    selfView(element, camera);
    show("camera", "done", fill(words.camera.works, { label: camera.label }));
    return { ok: true, error: null, label: camera.label, ...camera.size };
  }

  async function checkConnection() {
    show("connection", "busy", words.connection.asking);
    try {
      const { offset, rtt } = await clockOffset(() => call(settings.urls.clock));
      const probe = await call(settings.urls.probe, {
        method: "POST",
        headers: { ...csrfHeaders(), "Content-Type": "application/octet-stream" },
        body: new Uint8Array(PROBE_BYTES),
        timeout: 30_000,
      });
      if (probe.status !== 204) throw new Error(`probe ${probe.status}`);
      const speed = kbps(PROBE_BYTES, probe.received - probe.sent);
      const enough = speed >= ENOUGH_KBPS;
      show("connection", enough ? "done" : "act", enough ? words.connection.good : words.connection.slow);
      // How far the computer's own clock is off; the test itself never uses that clock.
      const ahead = Math.round(Date.now() - (performance.now() + offset));
      return { clock_offset_ms: ahead, rtt_ms: rtt, upload_kbps: speed };
    } catch {
      show("connection", "act", words.connection.none);
      return null;
    }
  }

  async function run(deviceId = null) {
    if (running) return;
    running = true;
    start.disabled = true;
    next.hidden = true;
    summary.textContent = words.summary.running;
    const browser = checkBrowser();
    const seen = settings.media ? await checkCamera(deviceId) : null;
    const connection = await checkConnection();
    const fit = browser && seen?.ok !== false && connection !== null;
    const sent = fit && (await report({ seen, connection }));
    summary.textContent = sent ? words.summary.good : fit ? words.summary.notSent : words.summary.act;
    if (sent?.next) {
      next.href = sent.next;
      next.hidden = false;
      next.focus();
    }
    start.textContent = words.again;
    start.disabled = false;
    running = false;
  }

  async function report({ seen, connection }) {
    const json = {
      browser: navigator.userAgent.slice(0, 300),
      camera: seen ?? { ok: false, error: null, label: null, width: null, height: null },
      ...connection,
      screen: { width: screen.width, height: screen.height },
    };
    try {
      const { status, body } = await call(settings.urls.report, { method: "POST", headers: csrfHeaders(), json });
      return status === 200 ? body : null;
    } catch {
      return null;
    }
  }

  start.addEventListener("click", () => run());
  start.disabled = false;
}
