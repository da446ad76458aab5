/** Small helpers for the console's pieces of page. */

/** Write a text only where it differs: most of a tile stays the same from second to second. */
export function write(element, text) {
  const wanted = text ?? "";
  if (element.textContent !== wanted) element.textContent = wanted;
  element.hidden = wanted === "";
}

/** A copy of a `<template>`, its first element. */
export function copy(template) {
  return document.getElementById(template).content.firstElementChild.cloneNode(true);
}

/** The part of `element` marked `data-part="name"`. */
export function part(element, name) {
  return element.querySelector(`[data-part="${name}"]`);
}

/** Replace the children of a list with one item for each value, made by `make`. */
export function list(element, values, make) {
  element.replaceChildren(...values.map(make));
}

/**
 * A button that cannot be pressed says why and stays reachable: `disabled` would take it from the keyboard and
 * the reason with it.
 */
export function allow(button, reason) {
  if (reason) button.setAttribute("aria-disabled", "true");
  else button.removeAttribute("aria-disabled");
  button.title = reason ?? "";
}

export function isAllowed(button) {
  return button.getAttribute("aria-disabled") !== "true";
}
