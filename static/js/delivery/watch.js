/**
 * What the browser itself notices: the page losing the focus, being hidden, copying and pasting. It is noted and a person may
 * look at it; nothing happens by itself. The rules page says so before the test begins.
 */

/** Calls `note(kind, data)`; returns what ends it. What was copied or pasted is never read. */
export function watchPage(note, scope = globalThis) {
  const { document } = scope;
  const listeners = [
    [scope, "blur", () => note("focus_lost")],
    [scope, "focus", () => note("focus_back")],
    [scope, "online", () => note("net_back")],
    [document, "visibilitychange", () => note("visibility", { state: document.visibilityState })],
    [document, "fullscreenchange", () => !document.fullscreenElement && note("fullscreen_exit")],
    [document, "copy", () => note("copy")],
    [document, "cut", () => note("copy")],
    [document, "paste", () => note("paste")],
  ];
  for (const [target, type, listener] of listeners) target.addEventListener(type, listener);
  return () => listeners.forEach(([target, type, listener]) => target.removeEventListener(type, listener));
}
