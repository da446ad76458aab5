// The chooser while somebody moves its numbers. The page is complete without this; the figures that are stored and signed are the server's.

import { casesOf, choose, countOf, csemSquared, joined, percent, rateOf, rateOfCases, SHARES, withinSem } from "./rules.js";

const RATES = ["attend", "reach", "appointed", "show"];
const CASES = SHARES.flatMap((name) => [`${name}_did`, `${name}_of`]);
const COPIED = ["vacancies_now", "vacancies_expected", "listed", ...RATES, ...CASES, "capacity", "minimum", "cut"];

// What the boxes say, or null where one of them is not usable yet.
export function read(value, maximum, prior) {
  const [now, expected] = ["vacancies_now", "vacancies_expected"].map((name) => countOf(value(name)));
  const listed = value("listed") === "" ? 0 : countOf(value("listed"));
  const past = Object.fromEntries(SHARES.map((name) => [name, casesOf(value(`${name}_did`), value(`${name}_of`))]));
  const rates = Object.fromEntries(
    RATES.map((name) => [name, past[name] ? rateOfCases(past[name], prior) : rateOf(value(name))]),
  );
  const cut = countOf(value("cut"));
  const optional = (name) => (value(name) === "" ? null : countOf(value(name)));
  if ([now, expected, listed, cut, ...Object.values(rates)].includes(null) || Object.values(past).includes(undefined) || cut > maximum) {
    return null;
  }
  const capacity = optional("capacity");
  return { vacancies: now + expected, listed, ...rates, cut, capacity, minimum: optional("minimum"), past };
}

// Which others are ticked, each with how many of a decided one are settled; null where that cannot be read.
export function readOthers(together, ticked, settledOf) {
  const others = {};
  for (const number of ticked) {
    const cuts = together.others[number].cuts;
    const passed = together.groups.reduce((sum, { counts }) => sum + (cuts === null ? (counts[number]?.[1] ?? 0) : 0), 0);
    const settled = cuts === null ? countOf(settledOf(number)) : 0;
    if (settled === null || (cuts === null && settled > passed)) {
      return null;
    }
    others[number] = { cuts, settled };
  }
  return others;
}

export function mount(root) {
  const data = root.dataset;
  const counts = data.counts.split(",").map(Number);
  const maximum = Number(data.maximum);
  const tenThousandths = (text) => Math.round(Number(text) * 10000);
  const policy = { extra: Number(data.extra), assurance: tenThousandths(data.assurance), prior: data.prior.split(",").map(tenThousandths) };
  const part = (name) => root.querySelector(`[data-part="${name}"]`);
  const box = (name) => root.querySelector(`#${name}`);
  const say = (name, text) => {
    const element = part(name);
    if (element && element.textContent !== String(text)) {
      element.textContent = text;
    }
  };
  const show = (name, whether) => {
    const element = part(name);
    if (element) {
      element.hidden = !whether;
    }
  };
  const rows = new Map([...root.querySelectorAll("tr[data-cut]")].map((row) => [Number(row.dataset.cut), row]));
  const cells = new Map(
    [...rows].map(([cut, row]) => [cut, Object.fromEntries([...row.querySelectorAll("[data-cell]")].map((cell) => [cell.dataset.cell, cell]))]),
  );
  const fixed = (name) => [...rows].find(([, row]) => row.querySelector(`[data-fixed="${name}"]`))?.[0];
  const [reference, carried] = [fixed("reference"), fixed("carried")];
  const words = Object.fromEntries([...root.querySelectorAll("[data-word]")].map((one) => [one.dataset.word, one.firstElementChild]));
  const picture = root.querySelector(".distribution svg");
  const bars = [...picture.querySelectorAll(".bar")];
  const together = data.together ? JSON.parse(data.together) : null;
  const boxes = [...root.querySelectorAll("[data-with]")];
  const forms = [...root.querySelectorAll("tr[data-forms]")].map((row) => ({
    row,
    here: row.querySelector('[data-cell="here"]'),
    passers: [...row.querySelectorAll("[data-passers]")],
  }));
  const streams = data.streams ? JSON.parse(data.streams) : {};
  const streamRows = [...root.querySelectorAll("tr[data-streams]")].map((row) => ({ row, cells: [...row.querySelectorAll("[data-stream]")] }));
  let latest = null;
  let shownCut = null;
  // What takes an integral is the server's, and stands for the cut that it was asked for.
  const firstCut = countOf(box("cut").value);
  // Until somebody moves the cut it is the point cut of the numbers.
  let moved = data.moved === "yes";

  function line(passers, cut, within) {
    const [low, step, left, right] = ["low", "step", "left", "right"].map((name) => Number(picture.dataset[name]));
    const x = (raw) => left + (raw - low) * step;
    const mark = picture.querySelector('[data-part="cut"]');
    const at = Math.max(left, x(cut));
    const [stroke, text] = mark.children;
    stroke.setAttribute("x1", at);
    stroke.setAttribute("x2", at);
    text.setAttribute("x", at < 480 ? at + 6 : at - 6);
    text.setAttribute("text-anchor", at < 480 ? "start" : "end");
    text.textContent = text.dataset.says.replace("{cut}", cut).replace("{passers}", passers);
    for (const bar of bars) {
      const inside = Number(bar.dataset.raw) >= cut;
      bar.classList.toggle("bar--in", inside);
      bar.classList.toggle("bar--out", !inside);
    }
    const band = picture.querySelector('[data-part="sem"]');
    if (band) {
      const sem = Number(band.dataset.sem);
      const from = Math.min(right, Math.max(left, x(cut + 0.5 - sem)));
      const to = Math.max(left, Math.min(right, x(cut + 0.5 + sem)));
      const [stretch, says] = band.children;
      stretch.setAttribute("x1", from);
      stretch.setAttribute("x2", to);
      says.setAttribute("x", Math.min(560, Math.max(190, (from + to) / 2)));
      says.textContent = says.dataset.says.replace("{within}", within);
    }
  }

  // The bars of all who are counted.
  function heights(supply) {
    const [base, top] = [Number(picture.dataset.base), Number(picture.dataset.top)];
    const most = Math.max(1, ...supply);
    say("most", most);
    for (const bar of bars) {
      const count = supply[Number(bar.dataset.raw)];
      const height = ((base - top) * count) / most;
      bar.setAttribute("y", (base - height).toFixed(2));
      bar.setAttribute("height", height.toFixed(2));
      bar.firstElementChild.textContent = `${bar.dataset.raw}: ${count}`;
    }
  }

  // What is counted at the cut, and the table of each form's own cuts.
  function others(counted, chosen, cut) {
    const number = (element) => Number(element.dataset.together ?? element.dataset.of);
    for (const element of root.querySelectorAll("[data-together], [data-of]")) {
      element.hidden = !(number(element) in chosen);
    }
    const some = Object.keys(chosen).length > 0;
    show("together-line", some);
    show("together-said", some);
    say("verdict-here", counted.here[cut]);
    say("together-here", counted.here[cut]);
    say("together-cut", cut);
    show("together-twice-line", counted.twice > 0);
    say("together-twice", counted.twice);
    for (const line of root.querySelectorAll("li[data-together]")) {
      if (!line.hidden) {
        const { cuts, errors, most } = together.others[line.dataset.together];
        line.querySelector('[data-said="passers"]').textContent = counted.others[line.dataset.together][cut];
        const raw = line.querySelector('[data-said="raw"]');
        if (raw) {
          raw.textContent = cuts[cut] > most ? "–" : cuts[cut];
        }
        line.querySelectorAll("[data-error]").forEach((one, at) => (one.textContent = errors[at][cut] ?? "–"));
      }
    }
    forms.forEach(({ row, here, passers }, at) => {
      row.classList.toggle("outcomes__chosen", at === cut);
      here.textContent = counted.here[at];
      passers.forEach((cell) => (cell.textContent = counted.others[cell.dataset.passers]?.[at] ?? ""));
    });
    for (const copy of root.querySelectorAll("[data-copy-with]")) {
      copy.disabled = !(Number(copy.dataset.copyWith) in chosen);
    }
  }

  // Where the judges' line stands; none where there is no judgment.
  function minimumLine(minimum) {
    const mark = picture.querySelector('[data-part="minimum-line"]');
    mark.toggleAttribute("hidden", minimum === null);
    const [stroke, text] = mark.children;
    const [low, step, left] = ["low", "step", "left"].map((name) => Number(picture.dataset[name]));
    const at = Math.max(left, left + ((minimum ?? 0) - low) * step);
    stroke.setAttribute("x1", at);
    stroke.setAttribute("x2", at);
    text.setAttribute("x", at < 480 ? at + 5 : at - 5);
    text.setAttribute("text-anchor", at < 480 ? "start" : "end");
    text.textContent = text.dataset.says.replace("{minimum}", minimum);
  }

  function notes(cell, names) {
    const wanted = names.join(" ");
    if (cell.dataset.names !== wanted) {
      cell.dataset.names = wanted;
      cell.replaceChildren(...names.flatMap((name) => [words[name].cloneNode(true), " "]));
    }
  }

  function draw() {
    let said = read((name) => box(name).value, maximum, policy.prior);
    const ticked = boxes.filter((one) => one.checked).map((one) => Number(one.dataset.with));
    const also = together ? readOthers(together, ticked, (number) => box(`settled-${number}`).value) : {};
    root.classList.toggle("chooser--unread", said === null || also === null);
    if (said === null || also === null) {
      return;
    }
    const counted = together ? joined(together.here, maximum, together.groups, also) : { supply: counts, fixed: 0 };
    const found = choose(counted.supply, said, policy, counted.fixed);
    const ready = said.vacancies > 0;
    if (!moved && ready && said.cut !== found.point) {
      box("cut").value = found.point;
      root.querySelector('[data-for="cut"]').value = found.point;
      said = { ...said, cut: found.point };
    }
    const chosen = found.rows[said.cut];
    latest = found;
    show("passers-line", ready || moved);
    say("cut-number", ready || moved ? said.cut : "–");
    say("cut-again", ready || moved ? said.cut : "–");
    say("passers", chosen.passers);
    say("share", percent(chosen.passers, found.taken));
    say("probability", chosen.probability);
    say("certain", chosen.certain);
    show("with-cases", found.uncertain);
    show("without-cases", !found.uncertain);
    say("assured-certain", found.assuredCertain ?? part("assured").dataset.none);
    say("csem", Math.sqrt(csemSquared(said.cut, maximum)).toFixed(2));
    say("within-csem", withinSem(counts, said.cut, csemSquared(said.cut, maximum)));
    show("livingston", said.cut === firstCut);
    say("again", cells.get(said.cut).again?.textContent ?? "");
    say("appointments", chosen.appointments);
    say("interviews", chosen.interviews);
    say("point", found.point);
    say("assured", found.assured ?? part("assured").dataset.none);
    root.querySelector('[data-take="assured"]').hidden = found.assured === null;
    say("needed", found.needed.passers);
    say("assured-passers", found.assuredPassers ?? "");
    show("assured-passers-line", found.assuredPassers !== null);
    for (const name of ["ready", "cuts", "working"]) {
      show(name, ready);
    }
    show("unready", !ready);
    show("propose-ready", ready);
    show("propose-unready", !ready);
    show("short", ready && found.short > 0);
    say("short-number", found.short);
    say("invite", found.inviteMore);
    show("listed-enough", ready && found.needed.passers === 0);
    const belowChance = said.cut < Number(data.chance);
    const belowMinimum = said.minimum !== null && said.cut < said.minimum;
    show("below-chance", belowChance);
    show("below-minimum", belowMinimum);
    show("needs-below", belowChance || belowMinimum);
    // A rate is "0.8500", or "170/198" where it is of cases.
    const spelled = (name) => (said.past[name] ? said.past[name].join("/") : (said[name] / 10000).toFixed(4));
    show("needs-rates", SHARES.some((name) => spelled(name) !== data[`own${name[0].toUpperCase()}${name.slice(1)}`]));
    const rate = (name) => String(said[name] / 10000);
    say("sum-e", `${said.vacancies} ÷ ${rate("appointed")} + ${policy.extra} → ${found.needed.eligibles}`);
    say("sum-m", `(${found.needed.eligibles} − ${said.listed}) ÷ (${rate("attend")} × ${rate("reach")}) → ${found.needed.passers}`);
    const within = withinSem(counts, said.cut, Number(data.semSquared));
    say("within", within);
    line(chosen.passers, said.cut, within);
    minimumLine(said.minimum);
    if (together) {
      heights(counted.supply);
      others(counted, also, said.cut);
      say("taken", found.taken);
    }
    for (const row of found.rows) {
      const cell = cells.get(row.cut);
      const share = cell.share && percent(row.passers, found.taken);
      for (const [name, text] of [["passers", row.passers], ["at_cut", row.atCut], ["share", share]]) {
        if (cell[name] && cell[name].textContent !== String(text)) {
          cell[name].textContent = text;
        }
      }
      for (const name of ["interviews", "eligibles", "appointments", "probability", "certain"]) {
        if (cell[name].textContent !== row[name]) {
          cell[name].textContent = row[name];
        }
      }
      rows.get(row.cut).classList.toggle("outcomes__chosen", row.cut === said.cut);
      notes(
        cell.note,
        [
          row.cut === said.cut && "chosen",
          ready && row.cut === found.point && "point",
          ready && row.cut === found.assured && "assured",
          row.cut === said.minimum && "minimum",
          row.cut === carried && "carried",
          row.cut === reference && "reference",
          said.capacity !== null && Number(row.interviews) > said.capacity && "capacity",
        ].filter(Boolean),
      );
    }
    byList(said);
    if (shownCut !== said.cut) {
      // A table of a hundred cuts stands where the decision is.
      shownCut = said.cut;
      const frame = root.querySelector(".outcomes");
      frame.scrollTop = rows.get(said.cut).offsetTop - frame.clientHeight / 2;
      const list = part("streams-frame");
      if (list) {
        list.scrollTop = streamRows[said.cut].row.offsetTop - list.clientHeight / 2;
      }
    }
    for (const name of [...COPIED, ...boxes.map((one) => `settled-${one.dataset.with}`).filter(box)]) {
      for (const copy of root.querySelectorAll(`[data-copy="${name}"]`)) {
        copy.value = box(name).value;
      }
    }
  }

  // Each list alone, at the same cut and by the same rates. Who is listed already is of the whole.
  function byList(said) {
    const found = Object.fromEntries(Object.entries(streams).map(([name, of]) => [name, choose(of, { ...said, listed: 0 }, policy).rows]));
    for (const { row, cells } of streamRows) {
      const cut = Number(row.dataset.streams);
      row.classList.toggle("outcomes__chosen", cut === said.cut);
      for (const cell of cells) {
        const [name, figure] = cell.dataset.stream.split(" ");
        if (cell.textContent !== found[name][cut][figure]) {
          cell.textContent = found[name][cut][figure];
        }
      }
    }
  }

  let asked = false;
  const later = () => {
    if (!asked) {
      asked = true;
      requestAnimationFrame(() => {
        asked = false;
        draw();
      });
    }
  };

  for (const range of root.querySelectorAll("[data-for]")) {
    const number = box(range.dataset.for);
    const follow = () => {
      range.max = Math.max(Number(range.max), Number(number.value) || 0);
      range.value = number.value || range.min;
    };
    const cases = ["did", "of"].map((which) => box(`${range.dataset.for}_${which}`)).filter(Boolean);
    for (const one of cases) {
      one.addEventListener("input", () => {
        const known = casesOf(...cases.map((each) => each.value));
        if (known) {
          number.value = String(rateOfCases(known, policy.prior) / 100);
          follow();
        }
        later();
      });
    }
    // A percent that somebody writes is no longer that of the cases.
    const written = () => cases.forEach((one) => (one.value = ""));
    follow();
    range.hidden = false;
    range.addEventListener("input", () => {
      written();
      number.value = range.value;
      moved ||= range.dataset.for === "cut";
      later();
    });
    number.addEventListener("input", () => {
      written();
      moved ||= range.dataset.for === "cut";
      follow();
      later();
    });
  }
  for (const one of boxes) {
    one.addEventListener("change", later);
    box(`settled-${one.dataset.with}`)?.addEventListener("input", later);
  }
  for (const button of root.querySelectorAll("[data-take]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const taken = latest?.[button.dataset.take];
      if (taken !== null && taken !== undefined) {
        box("cut").value = taken;
        box("cut").dispatchEvent(new Event("input"));
      }
    });
  }
  show("work-it-out", false);
  draw();
}
