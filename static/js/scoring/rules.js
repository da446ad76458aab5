// The arithmetic of the passing score chooser, the same as testing_platform/scoring/rules.py. What is shown while a slider moves comes from here;
// what is stored and signed is the server's. Rates are whole ten-thousandths: 85 % is 8500.

const WHOLE = 10000;

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

// The same question in whole numbers, for the case that floating point cannot decide.
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

// counts[raw] candidates have each raw score. inputs: vacancies, listed, attend, reach, appointed, show; policy: extra, assurance.
export function choose(counts, inputs, policy) {
  const taken = counts.reduce((sum, count) => sum + count, 0);
  const target = needed(inputs, policy);
  const likely = chances(taken, inputs);
  const level = policy.assurance / WHOLE;
  const reaches = (n) =>
    Math.abs(likely[n] - level) > 1e-9 ? likely[n] > level : reachesExactly(n, inputs, policy);
  const whole = BigInt(WHOLE);
  const [attend, reach, appointed, listed] = [inputs.attend, inputs.reach, inputs.appointed, inputs.listed].map(BigInt);
  const rows = [];
  let passers = taken;
  let point = 0;
  let assured = null;
  counts.forEach((atCut, cut) => {
    const n = BigInt(passers);
    const eligibles = n * attend * reach + listed * whole * whole;
    rows.push({
      cut,
      passers,
      interviews: places(n * attend, whole, 1),
      eligibles: places(eligibles, whole ** 2n, 1),
      appointments: places(eligibles * appointed, whole ** 3n, 1),
      probability: likely[passers].toFixed(3),
    });
    if (passers >= target.passers) {
      point = cut;
    }
    // Fewer pass with each higher cut, so the last that still reaches is the largest.
    if (reaches(passers)) {
      assured = cut;
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
    assured,
    assuredPassers,
    short,
    inviteMore: ceilDiv(short * WHOLE, inputs.show),
  };
}

export function withinSem(counts, cut, semSquared) {
  return counts.reduce((sum, count, raw) => sum + ((raw - cut) ** 2 <= semSquared ? count : 0), 0);
}

// To one place half up, from whole numbers.
export function percent(part, whole) {
  return whole ? places(BigInt(part) * 100n, BigInt(whole), 1) : "0";
}
