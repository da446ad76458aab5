/**
 * The grid of live tiles. Its order is the proctor's: it changes when they ask, or when they have left the grid
 * alone for ten seconds; until then whoever comes new is added at the end.
 */
import { copy, part, write } from "./page.js";
import { concern, hasBegun, hasOpenFlags, isFinished, isPaused, minutesLeft, precedence, secondsLeft } from "./state.js";
import { capital, span, timeLeft } from "./words.js";

export const LEFT_ALONE_MS = 10_000;

// ---- Arithmetic -----------------------------------------------------------------------------------------------

/** Whether a row belongs in the grid. Who waits to be admitted is in the queue and not here twice. */
export function matches(row, filter, query, needsLook) {
  if (row.state === "awaiting") return false;
  const shown = {
    all: () => true,
    look: () => needsLook,
    flags: () => hasOpenFlags(row),
    in_progress: () => row.state === "in_progress",
    paused: () => isPaused(row),
    submitted: () => isFinished(row),
  }[filter]();
  const wanted = plain(query);
  return shown && (wanted === "" || plain(row.name).includes(wanted) || String(row.number ?? "").toLowerCase().includes(wanted));
}

/** Letters as one types them in a hurry: "munoz" finds "Muñoz". */
function plain(text) {
  return text.trim().normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}

/** Most in need of a look first; then those at work, those before it, those who have finished; then by name. */
export function worstFirst(rows, rankOf) {
  const stage = (row) => (isFinished(row) ? 2 : hasBegun(row) ? 0 : 1);
  return [...rows].sort(
    (a, b) => rankOf(b) - rankOf(a) || stage(a) - stage(b) || a.name.localeCompare(b.name) || a.id - b.id,
  );
}

/** The order kept, who is new at its end. Nobody is taken out: that would move the others. */
export function extended(order, matching) {
  const known = new Set(order);
  const fresh = matching.filter((id) => !known.has(id));
  return fresh.length ? [...order, ...fresh] : order;
}

/** Page number `page` (from 0) of `order`, and how many pages there are. */
export function paged(order, size, page) {
  const pages = Math.max(1, Math.ceil(order.length / size));
  const at = Math.min(Math.max(0, page), pages - 1);
  return { page: at, pages, ids: order.slice(at * size, (at + 1) * size) };
}

/** Whether the grid may put itself in order now. */
export function leftAlone(now, touchedAt, inside) {
  return !inside && now - touchedAt >= LEFT_ALONE_MS;
}

/**
 * How many columns make `count` tiles as large as they can be while all are in sight; where they cannot be, the
 * tiles keep their least width and the grid scrolls.
 *
 * @param strip height of a tile's text below its 4:3 picture
 */
export function columns(count, width, height, { strip = 62, gap = 6, least = 130 } = {}) {
  const most = Math.max(1, Math.floor((width + gap) / (least + gap)));
  let best = { columns: Math.min(most, Math.max(1, count)), tile: 0 };
  for (let wide = 1; wide <= Math.min(most, Math.max(1, count)); wide += 1) {
    const rows = Math.ceil(count / wide);
    const byWidth = (width - gap * (wide - 1)) / wide;
    const byHeight = ((height - gap * (rows - 1)) / rows - strip) * (4 / 3);
    const tile = Math.min(byWidth, byHeight);
    if (tile >= least && tile > best.tile) best = { columns: wide, tile: Math.floor(tile) };
  }
  return best;
}

/** Where an arrow key leads from tile `at`, or null when the key is none of ours. */
export function moved(at, key, wide, count) {
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + wide, ArrowUp: at - wide, Home: 0, End: count - 1 }[key];
  if (to === undefined) return null;
  return to >= 0 && to < count ? to : at;
}

/** What a tile says of flags: what software notices now, and how many wait for a person; empty when there are none. */
export function flagLine(say, words, { active_flags: active = [], open_flags: open = 0 }) {
  const now = active.map(({ signal, count }) => capital(count > 1 ? say("flag.people", { count }) : words[signal] ?? words.other));
  return [...now, ...(open > now.length ? [say("flag.count", { count: open })] : [])].join(" · ");
}

// ---- The grid on the page -------------------------------------------------------------------------------------

/** @param desk what the console's parts share (console.js) */
export function mount(element, desk) {
  const { say } = desk;
  const grid = part(element, "grid");
  const empty = part(element, "empty");
  const foot = part(element, "foot");
  const pager = part(element, "pager");
  const search = part(element, "search");
  const size = part(element, "size");
  const filters = [...element.querySelectorAll("[data-filter]")];
  const tiles = new Map();
  let filter = "all";
  let page = 0;
  let order = [];
  let onPage = [];
  let wide = 1;
  let current = null;
  let touchedAt = -Infinity;
  let inside = false;
  let shownBefore = false;

  size.value = desk.remembered("size") ?? "25";

  const rankOf = (row) => concern(row, desk.view()).rank;
  const orderOf = (row) => precedence(row, desk.view());

  function matching() {
    return worstFirst(
      [...desk.known().rows.values()].filter((row) => matches(row, filter, search.value, rankOf(row) > 0)),
      orderOf,
    ).map((row) => row.id);
  }

  function arrange() {
    order = matching();
    show();
  }

  /** The proctor asked: from the first page, in order. */
  function ask() {
    page = 0;
    arrange();
  }

  function show() {
    const cut = paged(order, Number(size.value), page);
    ({ page } = cut);
    const { ids, pages } = cut;
    for (const [id, tile] of tiles) if (!ids.includes(id)) remove(id, tile);
    ids.forEach((id, at) => {
      const tile = tiles.get(id) ?? add(id);
      if (grid.children[at] !== tile.element) grid.insertBefore(tile.element, grid.children[at] ?? null);
    });
    onPage = ids;
    if (!ids.includes(current)) current = ids[0] ?? null;
    for (const [id, tile] of tiles) tile.button.tabIndex = id === current ? 0 : -1;
    empty.hidden = ids.length > 0;
    if (!ids.length) write(empty, say(desk.known().rows.size ? "grid.no-match" : "grid.nobody"));
    pager.hidden = pages === 1;
    const first = page * Number(size.value) + 1;
    write(part(pager, "range"), say("grid.range", { first, last: first + ids.length - 1, count: order.length }));
    part(pager, "previous").disabled = page === 0;
    part(pager, "next").disabled = page === pages - 1;
    lay();
    describe();
    desk.subscribe();
  }

  function add(id) {
    const node = copy("tile");
    const tile = { element: node, button: node.querySelector("button"), stop: desk.pictures.show(id, node.querySelector("canvas")) };
    const says = node.querySelector(".tile__says");
    const number = part(node, "number");
    number.id = `tile-${id}-number`;
    says.id = `tile-${id}-says`;
    const flag = part(node, "flag");
    flag.id = `tile-${id}-flag`;
    tile.button.setAttribute("aria-describedby", `${number.id} ${flag.id} ${says.id}`);
    tile.button.addEventListener("click", () => {
      stand(id);
      desk.open(id, tile.button);
    });
    tile.button.addEventListener("focus", () => stand(id));
    tiles.set(id, tile);
    return tile;
  }

  function remove(id, tile) {
    tile.stop();
    tile.element.remove();
    tiles.delete(id);
  }

  function stand(id) {
    current = id;
    for (const [other, tile] of tiles) tile.button.tabIndex = other === id ? 0 : -1;
  }

  /** Columns follow the room there is; `--columns` is all that the style sheet needs. */
  function lay() {
    const room = grid.getBoundingClientRect();
    const height = window.innerHeight - Math.max(0, room.top + element.scrollTop) - foot.offsetHeight - 8;
    const found = window.innerWidth < 480 ? { columns: 1, tile: 0 } : columns(onPage.length, grid.clientWidth, height);
    wide = found.columns;
    grid.style.setProperty("--columns", wide);
    grid.style.setProperty("--tile", found.tile ? `${found.tile}px` : "1fr");
  }

  function describe() {
    const { now, live } = desk.view();
    for (const [id, tile] of tiles) {
      const row = desk.known().rows.get(id);
      if (row) describeTile(tile, row, now, live);
    }
    const unordered = matching();
    const ahead = unordered.filter((id) => orderOf(desk.known().rows.get(id)) > 0);
    const misplaced = ahead.some((id, at) => order[at] !== id);
    part(element, "sort").classList.toggle("has-news", misplaced);
    write(part(element, "sort-note"), misplaced ? say("grid.order-changed") : "");
    const looks = [...desk.known().rows.values()].filter((row) => row.state !== "awaiting" && rankOf(row) > 0).length;
    const flagged = [...desk.known().rows.values()].filter((row) => matches(row, "flags", "", false)).length;
    for (const button of filters) {
      if (button.dataset.filter === "look") write(part(button, "count"), looks ? String(looks) : "");
      if (button.dataset.filter === "flags") write(part(button, "count"), flagged ? String(flagged) : "");
    }
  }

  function describeTile({ element: node, button }, row, now, live) {
    const found = concern(row, desk.view());
    const left = timeLeft(say, secondsLeft(row, now), row.held_since != null, "left-short");
    const soon = minutesLeft(row, now);
    node.dataset.rank = found.rank;
    node.classList.toggle("is-open", desk.focused() === row.id);
    node.classList.toggle("is-quiet", isFinished(row) || !hasBegun(row));
    write(part(node, "name"), row.name);
    write(part(node, "number"), row.number == null ? "" : String(row.number));
    write(part(node, "state"), say(`state.${row.state}`));
    write(part(node, "left"), left);
    part(node, "left").classList.toggle("is-soon", soon !== null && soon <= 5);
    part(node, "left-word").hidden = left === null;
    write(part(node, "concern"), found.code ? say(`concern.${found.code}`) : "");
    write(part(node, "flag"), flagLine(say, desk.settings.flag_words, row));
    part(node, "flag").classList.toggle("is-active", (row.active_flags ?? []).length > 0);
    write(part(node, "saved"), saved(row, now));
    write(part(node, "contact"), isFinished(row) ? "" : say(`contact.${row.link}`));
    write(part(node, "no-picture"), noPicture(row, live));
    part(node, "picture").classList.toggle("is-stale", !live || !desk.pictures.drawnAt.has(row.id));
    button.setAttribute("aria-current", desk.focused() === row.id ? "true" : "false");
  }

  function saved(row, now) {
    if (!hasBegun(row) || isFinished(row)) return "";
    if (row.last_save_at == null) return say("tile.nothing-saved");
    return now - row.last_save_at < 10_000 ? say("tile.saved-now") : say("tile.saved", { ago: span(say, now - row.last_save_at) });
  }

  function noPicture(row, live) {
    if (isFinished(row)) return say("tile.finished");
    if (!live) return say("tile.away");
    return desk.pictures.drawnAt.has(row.id) ? "" : say("tile.no-picture");
  }

  // ---- What the proctor does

  for (const button of filters) {
    button.addEventListener("click", () => {
      filter = button.dataset.filter;
      for (const other of filters) other.setAttribute("aria-pressed", other === button ? "true" : "false");
      ask();
    });
  }
  search.addEventListener("input", ask);
  search.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && search.value) {
      event.stopPropagation();
      search.value = "";
      ask();
    } else if (event.key === "Enter") {
      event.preventDefault();
      enter();
    }
  });
  size.addEventListener("change", () => {
    desk.remember("size", size.value);
    ask();
  });
  part(element, "sort").addEventListener("click", ask);
  part(pager, "previous").addEventListener("click", () => turn(-1));
  part(pager, "next").addEventListener("click", () => turn(1));
  function turn(by) {
    page += by;
    show();
  }

  const touched = () => {
    touchedAt = performance.now();
  };
  for (const kind of ["pointermove", "pointerdown", "wheel", "keydown"]) grid.addEventListener(kind, touched, { passive: true });
  grid.addEventListener("pointerenter", () => {
    inside = true;
    touched();
  });
  grid.addEventListener("pointerleave", () => {
    inside = false;
    touched();
  });

  grid.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const to = moved(onPage.indexOf(current), event.key, wide, onPage.length);
    if (to === null) return;
    event.preventDefault();
    stand(onPage[to]);
    tiles.get(current).button.focus();
  });

  function enter() {
    tiles.get(current)?.button.focus();
  }

  new ResizeObserver(lay).observe(element);
  window.addEventListener("resize", lay);

  return {
    /** Something is known anew, or a second has passed. */
    refresh() {
      const held = inside || grid.contains(document.activeElement);
      const before = order;
      if (!shownBefore && desk.known().rows.size) {
        shownBefore = true;
        order = matching();
      } else if (leftAlone(performance.now(), touchedAt, held)) order = matching();
      else order = extended(order, matching());
      const same = before.length === order.length && before.every((id, at) => id === order[at]);
      if (same) describe();
      else show();
    },
    sort: ask,
    enter,
    find: () => search.focus(),
    /** The candidate whose tile has the keyboard, if the grid has it. */
    standing: () => (grid.contains(document.activeElement) ? current : null),
    shown: () => onPage,
  };
}
