/** The button that prints the page it stands on. */
export function mount(element) {
  element.addEventListener("click", () => window.print());
}
