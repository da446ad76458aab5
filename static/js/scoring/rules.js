// The arithmetic of the passing score chooser, the same as testing_platform/scoring/rules.py. What is shown while a slider moves comes from here;
// what is stored and signed is the server's. Rates are whole ten-thousandths: 85 % is 8500.

const WHOLE = 10000;
export const SHARES = ["attend", "reach", "appointed"];

// "85.25" percent → 8525; null for anything that is not above 0 and up to 100 with two places.
export function rateOf(text) {
  const match = /^(\d{1,3})(?:[.,](\d{1,2})0*)?$/.exec(String(text).trim());
  if (!match) {
    return null;
  }
  const rate = Number(match[1]) * 100 + Number((match[2] ?? "").padEnd(2, "0"));
  return rate > 0 && rate <= WHOLE ? rate : null;
}

// A whole number from 0 to 10000, or null.
export function countOf(text) {
  const said = String(text).trim();
  return /^\d{1,5}$/.test(said) && Number(said) <= 10000 ? Number(said) : null;
}

// [did, of] past cases; null where there are none, undefined while the two do not make sense together.
export function casesOf(did, of) {
  const said = [did, of].map((text) => String(text).trim());
  if (said.every((text) => text === "")) {
    return null;
  }
  if (!said.every((text) => /^\d{1,7}$/.test(text)) || Number(said[0]) > Number(said[1]) || Number(said[1]) > 1000000) {
    return undefined;
  }
  return Number(said[1]) ? said.map(Number) : null;
}

export function ceilDiv(a, b) {
  const rest = a % b;
  return (a - rest) / b + (rest ? 1 : 0);
}

function bigCeilDiv(a, b) {
  return Number((a + b - 1n) / b);
}

// E = ceil(V / y) + X and M = ceil(max(0, E - L) / (a·p)).
export function needed(inputs, policy) {
  const eligibles = ceilDiv(inputs.vacancies * WHOLE, inputs.appointed) + policy.extra;
  const open = BigInt(Math.max(0, eligibles - inputs.listed));
  const passers = bigCeilDiv(open * BigInt(WHOLE) * BigInt(WHOLE), BigInt(inputs.attend) * BigInt(inputs.reach));
  return { eligibles, passers };
}

// P(appointments ≥ vacancies) for 0…most passers, in floating point: off by less than 1e-11, which nothing shown here can tell.
export function chances(most, inputs) {
  const success = (inputs.attend / WHOLE) * (inputs.reach / WHOLE) * (inputs.appointed / WHOLE);
  const each = inputs.appointed / WHOLE;
  const filled = new Float64Array(inputs.vacancies);
  if (inputs.vacancies) {
    filled[0] = 1;
  }
  const step = (p) => {
    for (let k = filled.length - 1; k > 0; k -= 1) {
      filled[k] = filled[k] * (1 - p) + filled[k - 1] * p;
    }
    if (filled.length) {
      filled[0] *= 1 - p;
    }
  };
  for (let n = 0; n < inputs.listed; n += 1) {
    step(each);
  }
  const found = new Float64Array(most + 1);
  for (let n = 0; n <= most; n += 1) {
    let open = 0;
    for (let k = 0; k < filled.length; k += 1) {
      open += filled[k];
    }
    found[n] = Math.min(1, Math.max(0, 1 - open));
    step(success);
  }
  return found;
}

// The mean of Beta(prior + what happened), half up, as a rate. The prior is in ten-thousandths too.
export function rateOfCases([did, of], [yes, no]) {
  const [top, all] = [did * WHOLE + yes, of * WHOLE + yes + no].map(BigInt);
  return Number(places(top * BigInt(WHOLE), all, 0));
}

// P(appointments ≥ vacancies) for 0…most passers where some rates come from past cases: likely.py says how. Off by less than 1e-10.
export function likely(most, inputs, policy) {
  // Of m people of whom k did, the next one does with (first + one·k) / (all + one·m).
  const [attend, reach, appointed] = SHARES.map((name) => {
    const cases = inputs.past[name];
    const [yes, no] = policy.prior.map((part) => part / WHOLE);
    return cases ? { first: cases[0] + yes, all: cases[1] + yes + no, one: 1 } : { first: inputs[name] / WHOLE, all: 1, one: 0 };
  });
  const step = (share, row, people) => {
    const all = share.all + share.one * people;
    for (let k = Math.min(people + 1, row.length - 1); k >= 0; k -= 1) {
      const stays = (share.all - share.first + share.one * (people - k)) / all;
      row[k] = (k <= people ? row[k] * stays : 0) + (k ? (row[k - 1] * (share.first + share.one * (k - 1))) / all : 0);
    }
  };
  const row = (length) => {
    const found = new Float64Array(length);
    found[0] = 1;
    return found;
  };
  const people = most + inputs.listed;
  let after = new Float64Array(people + 1);
  const short = row(Math.max(1, inputs.vacancies));
  let filled = inputs.vacancies ? 0 : 1;
  for (let n = 0; n <= people; n += 1) {
    after[n] = filled;
    if (inputs.vacancies && inputs.vacancies - 1 <= n) {
      filled += (short[inputs.vacancies - 1] * (appointed.first + appointed.one * (inputs.vacancies - 1))) / (appointed.all + appointed.one * n);
    }
    step(appointed, short, n);
  }
  after = after.subarray(inputs.listed);
  for (const share of [reach, attend]) {
    const before = new Float64Array(most + 1);
    const here = row(most + 1);
    for (let n = 0; n <= most; n += 1) {
      for (let k = 0; k <= n; k += 1) {
        before[n] += here[k] * after[k];
      }
      step(share, here, n);
    }
    after = before;
  }
  return after.map((value) => Math.min(1, value));
}

// The same question with certain rates in whole numbers, for the case that floating point cannot decide.
export function reachesExactly(passers, inputs, policy) {
  const yes = BigInt(inputs.attend) * BigInt(inputs.reach) * BigInt(inputs.appointed);
  const all = BigInt(WHOLE) ** 3n;
  const each = BigInt(inputs.appointed);
  const eachAll = BigInt(WHOLE);
  let filled = Array.from({ length: inputs.vacancies }, (_, k) => (k ? 0n : 1n));
  const step = (p, whole) => {
    filled = filled.map((here, k) => here * (whole - p) + (k ? filled[k - 1] : 0n) * p);
  };
  for (let n = 0; n < inputs.listed; n += 1) {
    step(each, eachAll);
  }
  for (let n = 0; n < passers; n += 1) {
    step(yes, all);
  }
  const open = filled.reduce((sum, one) => sum + one, 0n);
  const total = eachAll ** BigInt(inputs.listed) * all ** BigInt(passers);
  return (total - open) * BigInt(WHOLE) >= total * BigInt(policy.assurance);
}

// numerator / denominator to so many places, half up, from whole numbers.
export function places(numerator, denominator, count) {
  const scaled = (2n * numerator * 10n ** BigInt(count) + denominator) / (2n * denominator);
  const text = String(scaled).padStart(count + 1, "0");
  return count ? `${text.slice(0, -count)}.${text.slice(-count)}` : text;
}

// Several administrations counted together, as testing_platform/scoring/together_rules.py does: `groups` are those who took just these administrations, the
// oldest first, with how many have each mark in each; `others` by number are { cuts, settled }, with cuts null where one is decided.
export function joined(here, most, groups, others) {
  const numbers = [here, ...Object.keys(others).map(Number)];
  const counted = new Map(numbers.map((number) => [number, new Map()]));
  let twice = 0;
  for (const { took, counts } of groups) {
    const among = took.filter((number) => counted.has(number));
    if (among.length) {
      const newest = among.at(-1);
      const marks = counted.get(newest);
      counts[newest].forEach((count, mark) => count && marks.set(mark, (marks.get(mark) ?? 0) + count));
      twice += among.length > 1 ? counts[newest].reduce((sum, count) => sum + count, 0) : 0;
    }
  }
  const cuts = Array.from({ length: most + 1 }, (_, cut) => cut);
  const passing = (marks, bounds) => bounds.map((bound) => [...marks].reduce((sum, [mark, count]) => sum + (mark >= bound ? count : 0), 0));
  const own = passing(counted.get(here), cuts);
  const moving = [...own];
  const there = {};
  let fixed = 0;
  for (const [number, other] of Object.entries(others)) {
    const marks = counted.get(Number(number));
    if (other.cuts === null) {
      const left = Math.max(0, (marks.get(1) ?? 0) - other.settled);
      there[number] = cuts.map(() => left);
      fixed += left;
    } else {
      there[number] = passing(marks, other.cuts);
      there[number].forEach((count, cut) => (moving[cut] += count));
    }
  }
  return { supply: moving.map((count, cut) => count - (moving[cut + 1] ?? 0)), fixed, here: own, others: there, twice };
}

// counts[raw] candidates have each raw score; `fixed` pass at every cut. inputs: vacancies, listed, attend, reach, appointed, show, past; policy: extra, assurance, prior.
export function choose(counts, inputs, policy, fixed = 0) {
  const taken = counts.reduce((sum, count) => sum + count, fixed);
  const target = needed(inputs, policy);
  const certain = chances(taken, inputs);
  const uncertain = SHARES.some((name) => inputs.past[name]);
  const found = uncertain ? likely(taken, inputs, policy) : certain;
  const level = policy.assurance / WHOLE;
  const reachesCertain = (n) =>
    Math.abs(certain[n] - level) > 1e-9 ? certain[n] > level : reachesExactly(n, inputs, policy);
  const reaches = uncertain ? (n) => found[n] >= level - 1e-12 : reachesCertain;
  const whole = BigInt(WHOLE);
  const [attend, reach, appointed, listed] = [inputs.attend, inputs.reach, inputs.appointed, inputs.listed].map(BigInt);
  const rows = [];
  let passers = taken;
  let point = 0;
  let assured = null;
  let assuredCertain = null;
  counts.forEach((atCut, cut) => {
    const n = BigInt(passers);
    const eligibles = n * attend * reach + listed * whole * whole;
    rows.push({
      cut,
      passers,
      atCut,
      interviews: places(n * attend, whole, 1),
      eligibles: places(eligibles, whole ** 2n, 1),
      appointments: places(eligibles * appointed, whole ** 3n, 1),
      probability: found[passers].toFixed(3),
      certain: certain[passers].toFixed(3),
    });
    if (passers >= target.passers) {
      point = cut;
    }
    // Fewer pass with each higher cut, so the last that still reaches is the largest.
    if (reaches(passers)) {
      assured = cut;
    }
    if (reachesCertain(passers)) {
      assuredCertain = cut;
    }
    passers -= atCut;
  });
  let assuredPassers = null;
  for (let n = 0; n <= taken && assuredPassers === null; n += 1) {
    if (reaches(n)) {
      assuredPassers = n;
    }
  }
  const short = Math.max(0, target.passers - taken);
  return {
    taken,
    needed: target,
    rows,
    point,
    uncertain,
    assured,
    assuredCertain,
    assuredPassers,
    short,
    inviteMore: ceilDiv(short * WHOLE, inputs.show),
  };
}

export function withinSem(counts, cut, semSquared) {
  return counts.reduce((sum, count, raw) => sum + ((raw - cut) ** 2 <= semSquared ? count : 0), 0);
}

// Lord's conditional standard error of measurement at a raw score, squared.
export function csemSquared(raw, items) {
  return items > 1 ? (raw * (items - raw)) / (items - 1) : 0;
}

// To one place half up, from whole numbers.
export function percent(part, whole) {
  return whole ? places(BigInt(part) * 100n, BigInt(whole), 1) : "0";
}
