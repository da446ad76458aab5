// <button data-opens="id"> opens the <dialog> with that id; <button data-closes> closes the one it stands in.

export function listen(root) {
  root.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) {
      root.getElementById(opener.dataset.opens).showModal();
      return;
    }
    const closer = event.target.closest("[data-closes]");
    if (closer) {
      closer.closest("dialog").close(closer.value);
    }
  });
}
