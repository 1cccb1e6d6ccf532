// Sums over spans.
import { isFailure, isRetried, State, type Model } from "./model";

/** The quantiles qs of values, which it sorts; NaN without values. */
export function quantiles(values: Float64Array, qs: readonly number[]): number[] {
  values.sort();
  const n = values.length;
  return qs.map((q) => {
    if (n === 0) return NaN;
    const at = q * (n - 1);
    const lo = Math.floor(at);
    const hi = Math.min(n - 1, lo + 1);
    return values[lo]! + (values[hi]! - values[lo]!) * (at - lo);
  });
}

export interface Aggregate {
  count: number;
  ok: number;
  retried: number; // attempts that were tried again
  failed: number;
  running: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
  busy: number; // lane time within the range, in µs
  cpu: number; // NaN: unknown
  wait: number; // median; NaN: unknown
  finished: number; // calls that ended within the range
}

/** Sums up the spans that overlap [from, to] and that keep accepts. */
export function aggregate(m: Model, from: number, to: number, keep?: ((i: number) => boolean) | null): Aggregate {
  const durations = new Float64Array(m.n);
  const waits = new Float64Array(m.n);
  let finished = 0;
  let waited = 0;
  const a: Aggregate = {
    count: 0, ok: 0, retried: 0, failed: 0, running: 0,
    p50: NaN, p95: NaN, p99: NaN, max: NaN, busy: 0, cpu: NaN, wait: NaN, finished: 0,
  };
  let cpu = 0;
  let known = false;
  for (let i = 0; i < m.n; i++) {
    const s = m.start[i]!;
    const e = m.endOf(i);
    if (s > to || e < from || (keep && !keep(i))) continue;
    a.count++;
    const state = m.state[i]!;
    if (state === State.ok) a.ok++;
    else if (isFailure(state)) a.failed++;
    else if (isRetried(state)) a.retried++;
    else if (state === State.running) a.running++;
    a.busy += Math.min(e, to) - Math.max(s, from);
    if (state !== State.running && state !== State.refused) {
      durations[finished++] = e - s;
      if (e >= from && e <= to && !isRetried(state)) a.finished++;
    }
    const c = m.cpu[i]!;
    if (c === c) {
      known = true;
      cpu += c;
    }
    const w = m.wait(i);
    if (w === w) waits[waited++] = w;
  }
  if (known) a.cpu = cpu;
  [a.p50, a.p95, a.p99, a.max] = quantiles(durations.subarray(0, finished), [0.5, 0.95, 0.99, 1]) as [number, number, number, number];
  a.wait = quantiles(waits.subarray(0, waited), [0.5])[0]!;
  return a;
}

export interface Bin {
  from: number;
  to: number;
  ok: number;
  failed: number;
  other: number;
  cpu: number; // how many spans have this much CPU time
}

export interface Histogram {
  bins: Bin[];
  n: number;
  p50: number;
  p95: number;
  p99: number;
}

/** Counts finished spans by duration, in bins of equal width on a logarithmic scale. */
export function histogram(m: Model, most: number, keep?: ((i: number) => boolean) | null): Histogram {
  const durations = new Float64Array(m.n);
  let n = 0;
  let least = Infinity;
  let longest = 0;
  const counts = (i: number): boolean => {
    const s = m.state[i]! & 15;
    return s !== State.running && s !== State.refused && (!keep || keep(i));
  };
  for (let i = 0; i < m.n; i++) {
    if (!counts(i)) continue;
    const d = Math.max(1, m.end[i]! - m.start[i]!);
    durations[n++] = d;
    if (d < least) least = d;
    if (d > longest) longest = d;
  }
  if (n === 0) return { bins: [], n: 0, p50: NaN, p95: NaN, p99: NaN };
  // Bins of 1, 1/2, 1/5, 1/10 or 1/20 of a decade, from a round start.
  let per = 20;
  let lo = 0;
  let hi = 0;
  for (const p of [20, 10, 5, 2, 1]) {
    per = p;
    lo = Math.floor(Math.log10(least) * per);
    hi = Math.floor(Math.log10(longest) * per) + 1;
    if (hi - lo <= most) break;
  }
  const bins: Bin[] = [];
  for (let k = lo; k < hi; k++) {
    bins.push({ from: 10 ** (k / per), to: 10 ** ((k + 1) / per), ok: 0, failed: 0, other: 0, cpu: 0 });
  }
  const bin = (v: number): Bin | undefined =>
    bins[Math.min(bins.length - 1, Math.floor(Math.log10(Math.max(1, v)) * per) - lo)];
  for (let i = 0; i < m.n; i++) {
    if (!counts(i)) continue;
    const b = bin(m.end[i]! - m.start[i]!)!;
    const state = m.state[i]!;
    if (isFailure(state)) b.failed++;
    else if (state === State.ok) b.ok++;
    else b.other++;
    const c = m.cpu[i]!;
    if (c === c) {
      const cb = bin(c);
      if (cb) cb.cpu++;
    }
  }
  const [p50, p95, p99] = quantiles(durations.subarray(0, n), [0.5, 0.95, 0.99]) as [number, number, number];
  return { bins, n, p50, p95, p99 };
}

/** When the run may end, as the earliest and latest µs from now; null if it cannot be told. */
export function eta(m: Model): [number, number] | null {
  const { total } = m.head.inputs;
  const s = m.samples;
  if (!(total > 0) || s.n < 3 || m.head.state !== "running") return null;
  const done = s.done[s.n - 1]!;
  const left = total - done;
  if (!(done >= 10) || left <= 0) return null;
  const now = s.t[s.n - 1]!;
  const rates: number[] = [done / now];
  for (const back of [0.2, 0.5]) {
    const i = Math.max(0, Math.floor(s.n * (1 - back)) - 1);
    const r = (done - s.done[i]!) / (now - s.t[i]!);
    if (r > 0) rates.push(r);
  }
  return [left / Math.max(...rates), left / Math.min(...rates)];
}

/** The recent and the mean rate of finished inputs a second; NaN if unknown. */
export function throughput(m: Model): { recent: number; mean: number } {
  const s = m.samples;
  if (s.n < 2) return { recent: NaN, mean: NaN };
  const last = s.n - 1;
  let i = last;
  while (i > 0 && s.t[last]! - s.t[i]! < 2e6) i--;
  return {
    recent: ((s.done[last]! - s.done[i]!) / (s.t[last]! - s.t[i]!)) * 1e6,
    mean: (s.done[last]! / s.t[last]!) * 1e6,
  };
}

export type SortKey = "start" | "input" | "duration" | "wait" | "cpu" | "rss" | "state" | "attempt" | "lane" | "task";

/** The spans that keep accepts, sorted by key; equal ones by start. */
export function sorted(m: Model, key: SortKey, down: boolean, keep?: ((i: number) => boolean) | null): Uint32Array {
  let list = m.byStart();
  list = keep ? list.filter((i) => keep(i)) : list.slice();
  if (key === "start") return down ? list.reverse() : list;
  const of: Record<Exclude<SortKey, "start">, (i: number) => number> = {
    input: (i) => m.input[i]!,
    duration: (i) => m.duration(i),
    wait: (i) => m.wait(i),
    cpu: (i) => m.cpu[i]!,
    rss: (i) => m.rss[i]!,
    // Failures first, as what one looks for.
    state: (i) => -((isFailure(m.state[i]!) ? 100 : isRetried(m.state[i]!) ? 50 : 0) + (m.state[i]! & 15)),
    attempt: (i) => m.attempt[i]!,
    lane: (i) => m.lane[i]!,
    task: (i) => m.task[i]!,
  };
  const get = of[key];
  const keys = new Float64Array(m.n);
  for (const i of list) {
    const v = get(i);
    // What is unknown goes to the end either way.
    keys[i] = v === v ? (down ? -v : v) : Infinity;
  }
  return list.sort((a, b) => keys[a]! - keys[b]! || m.start[a]! - m.start[b]! || a - b);
}

/** The most spans that keep accepts and that took longest, longest first; without sorting the others. */
export function slowest(m: Model, most: number, keep: (i: number) => boolean): Uint32Array {
  let list: number[] = [];
  let bar = -1; // what does not take longer is not among them
  const trim = (): void => {
    list.sort((a, b) => m.duration(b) - m.duration(a) || a - b);
    list = list.slice(0, most);
    if (list.length === most) bar = m.duration(list[most - 1]!);
  };
  for (let i = 0; i < m.n; i++) {
    if (!(m.duration(i) > bar) || !keep(i)) continue;
    list.push(i);
    if (list.length >= 4 * most) trim();
  }
  trim();
  return Uint32Array.from(list);
}
