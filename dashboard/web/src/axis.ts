// Where the marks of the time axis stand.

const second = 1e6;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

// Steps above a second follow the clock; below it and above a day they are 1, 2, 5.
const clockSteps = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
].map((s) => s * second);

/** The smallest pleasant step, in µs, that is at least least. */
export function niceStep(least: number): number {
  if (!(least > 0)) return 1;
  if (least > 0.5 * second && least <= day) {
    return clockSteps.find((s) => s >= least)!;
  }
  const unit = least > day ? day : 1;
  const power = 10 ** Math.floor(Math.log10(least / unit) + 1e-9);
  for (const m of [1, 2, 5, 10]) {
    const step = m * power * unit;
    if (step >= least * (1 - 1e-9)) return Math.max(step, 0.1);
  }
  return 10 * power * unit;
}

/** The multiples of step in [from, to]. */
export function ticks(from: number, to: number, step: number): number[] {
  const list: number[] = [];
  if (!(step > 0) || !(to >= from)) return list;
  const first = Math.ceil(from / step - 1e-9) + 0; // no negative zero
  const last = Math.floor(to / step + 1e-9);
  for (let k = first; k <= last && list.length < 1000; k++) list.push(k * step);
  return list;
}

/** A round upper end, at least x, for a scale that begins at 0. */
export function niceCeil(x: number): number {
  if (!(x > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(x));
  for (const m of [1, 1.5, 2, 3, 4, 5, 6, 8, 10]) if (m * power >= x * (1 - 1e-9)) return m * power;
  return 10 * power;
}
