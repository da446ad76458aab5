// While an item is typed: the page as candidates will see it, and what an editor would say. Without this module the form works as it is.

const PAUSE = 400;

export function seeds(start) {
  let seed = start;
  return () => {
    seed = (seed * 48271) % 2147483647;
    return String(seed);
  };
}

export function mount(form) {
  const page = form.querySelector("[data-page]");
  const advice = form.querySelector("[data-advice]");
  const kind = form.elements.kind;
  const nextSeed = seeds(1229);
  let waiting = null;
  let asked = 0;
  let saving = false;
  let touched = false;

  async function look() {
    const mine = ++asked;
    const said = new FormData(form);
    const reply = await fetch(form.dataset.preview, { method: "POST", body: said, headers: { "X-CSRFToken": said.get("csrf_token") } });
    if (!reply.ok || mine !== asked) {
      return;
    }
    const found = await reply.json();
    page.srcdoc = found.page;
    if (advice.innerHTML !== found.advice) {
      advice.innerHTML = found.advice;
    }
  }

  function soon() {
    clearTimeout(waiting);
    waiting = setTimeout(look, PAUSE);
  }

  function showKind() {
    form.dataset.kind = kind.value;
  }

  async function putPicture(button) {
    const box = button.closest("[data-picture]");
    const says = box.querySelector("[data-picture-says]");
    const file = box.querySelector("[type=file]");
    const alt = form.elements.alt;
    if (!file.files.length || !alt.value.trim()) {
      (file.files.length ? alt : file).focus();
      return;
    }
    const said = new FormData();
    said.append("picture", file.files[0]);
    said.append("alt", alt.value);
    const reply = await fetch(form.dataset.pictures, { method: "POST", body: said, headers: { "X-CSRFToken": form.elements.csrf_token.value } });
    if (!reply.ok) {
      says.textContent = says.dataset.refused;
      return;
    }
    const { html } = await reply.json();
    form.elements.stem.value = `${form.elements.stem.value}\n${html}`;
    says.textContent = says.dataset.done;
    alt.value = "";
    touched = true;
    look();
  }

  form.addEventListener("input", (event) => {
    touched = touched || event.target.name !== "theme";
    soon();
  });
  kind.addEventListener("change", showKind);
  form.addEventListener("submit", (event) => {
    saving = !event.submitter?.formTarget;
  });
  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (button?.dataset.do === "shuffle") {
      form.elements.seed.value = nextSeed();
      look();
    } else if (button?.dataset.do === "picture") {
      putPicture(button);
    }
  });
  form.querySelector("[data-zoom]").addEventListener("change", (event) => {
    page.dataset.zoom = event.target.value;
  });
  window.addEventListener("beforeunload", (event) => {
    if (touched && !saving) {
      event.preventDefault();
    }
  });

  page.hidden = false;
  form.querySelector("[data-look]").hidden = false;
  showKind();
  look();
}
