// A file that is too large is named before it is sent. Without this module the server says so.

export function tooLarge(files, most) {
  return [...files].some((file) => file.size > most);
}

export function mount(form) {
  const input = form.elements.package;
  input.addEventListener("change", () => {
    input.setCustomValidity(tooLarge(input.files, Number(form.dataset.most)) ? form.dataset.larger : "");
    input.reportValidity();
  });
}
