// Two indexes over spans, each of which answers “how busy was this stretch of time?” in
// logarithmic time, so that a frame costs pixels and not spans.
import { gallop, lowerBound, upperBound } from "./search";

/**
 * The spans of one lane in order of start. On a lane one span runs at a time, so the ends
 * are in order too, and the busy time of a stretch is a difference of two sums. Where that
 * is not so, because clocks or a recording are not what they should be, nothing is lost:
 * only the short cuts are not taken.
 */
export class Track {
  n = 0;
  span: Uint32Array;
  start: Float64Array;
  end: Float64Array; // Infinity: runs
  private busy: Float64Array; // busy[i]: how long the spans before i took
  failed: number[] = []; // positions of final failures, ascending
  tangled = false; // spans overlap
  private fresh = 0; // busy is right up to here

  constructor(capacity = 16) {
    this.span = new Uint32Array(capacity);
    this.start = new Float64Array(capacity);
    this.end = new Float64Array(capacity);
    this.busy = new Float64Array(capacity + 1);
  }

  /** Adds a span; it is cheap for the one that starts last. */
  add(span: number, start: number, end: number, failed: boolean): void {
    if (this.n === this.span.length) this.grow();
    let p = this.n;
    if (p > 0 && start <= this.start[p - 1]!) {
      p = upperBound(this.start, start, 0, this.n);
      // What took no time at the start of a longer one came before it.
      while (p > 0 && this.start[p - 1] === start && this.end[p - 1]! > end) p--;
    }
    if (p < this.n) {
      this.span.copyWithin(p + 1, p, this.n);
      this.start.copyWithin(p + 1, p, this.n);
      this.end.copyWithin(p + 1, p, this.n);
      for (let k = this.failed.length - 1; k >= 0 && this.failed[k]! >= p; k--) this.failed[k]!++;
    }
    this.n++;
    this.span[p] = span;
    this.start[p] = start;
    this.end[p] = end;
    if (failed) this.failed.splice(lowerBound(this.failed, p), 0, p);
    this.fresh = Math.min(this.fresh, p);
    if ((p > 0 && this.end[p - 1]! > start) || (p + 1 < this.n && end > this.start[p + 1]!)) this.tangled = true;
  }

  /** Says that a span of this track has ended, or what has become of it. */
  update(span: number, start: number, end: number, failed: boolean): void {
    const p = this.position(span, start);
    if (p < 0) return;
    this.end[p] = end;
    this.fresh = Math.min(this.fresh, p);
    const k = lowerBound(this.failed, p);
    const was = this.failed[k] === p;
    if (failed && !was) this.failed.splice(k, 0, p);
    if (!failed && was) this.failed.splice(k, 1);
  }

  /** Where span stands on this track; -1 if it does not. */
  position(span: number, start: number): number {
    for (let p = lowerBound(this.start, start, 0, this.n); p < this.n && this.start[p] === start; p++) {
      if (this.span[p] === span) return p;
    }
    return -1;
  }

  /** The first position whose span ends after t. */
  after(t: number): number {
    if (this.tangled) {
      let k = 0;
      while (k < this.n && !(this.end[k]! > t)) k++;
      return k;
    }
    const p = upperBound(this.start, t, 0, this.n);
    return p > 0 && this.end[p - 1]! > t ? p - 1 : p;
  }

  /** The span that runs at t, as a position; -1 if none does. */
  at(t: number): number {
    const p = this.after(t);
    return p < this.n && this.start[p]! <= t ? p : -1;
  }

  /** How long spans ran in [from, to); those that still run do so until now. */
  busyIn(from: number, to: number, first: number, past: number, now: number): number {
    this.refresh();
    // Whole spans by the sums; then what sticks out at either side.
    let sum = this.busy[past]! - this.busy[first]!;
    const last = past - 1;
    if (last >= first) {
      if (this.end[last]! === Infinity) sum += Math.max(0, Math.min(now, to) - this.start[last]!);
      else if (this.end[last]! > to) sum -= this.end[last]! - to;
      if (this.start[first]! < from) sum -= Math.min(from, this.end[first]!) - this.start[first]!;
    }
    return Math.max(0, Math.min(sum, to - from));
  }

  private refresh(): void {
    for (let i = this.fresh; i < this.n; i++) {
      const e = this.end[i]!;
      this.busy[i + 1] = this.busy[i]! + (e === Infinity ? 0 : e - this.start[i]!);
    }
    this.fresh = this.n;
  }

  private grow(): void {
    const size = Math.max(16, this.span.length * 2);
    this.span = resized(this.span, new Uint32Array(size));
    this.start = resized(this.start, new Float64Array(size));
    this.end = resized(this.end, new Float64Array(size));
    this.busy = resized(this.busy, new Float64Array(size + 1));
  }
}

/** Copies from into to, which is larger. */
export function resized<T extends { set(a: ArrayLike<number>): void }>(from: ArrayLike<number>, to: T): T {
  to.set(from);
  return to;
}

/**
 * How many of a set of spans run at any time, whatever they overlap: the sorted starts and
 * the sorted ends are the steps of that function, and their sums give the area under it.
 */
export class Steps {
  readonly starts: Float64Array;
  readonly ends: Float64Array;
  private readonly startSum: Float64Array;
  private readonly endSum: Float64Array;
  readonly peak: number; // the most at once

  /**
   * Takes the spans as indexes in order of start. failed are the final failures among
   * them, in order of start too.
   */
  constructor(
    readonly spans: Uint32Array,
    start: Float64Array,
    end: Float64Array,
    readonly failed: Uint32Array,
  ) {
    const n = spans.length;
    this.starts = new Float64Array(n);
    const ends = new Float64Array(n);
    let m = 0;
    for (let i = 0; i < n; i++) {
      this.starts[i] = start[spans[i]!]!;
      const e = end[spans[i]!]!;
      if (e === e) ends[m++] = e;
    }
    this.ends = ends.subarray(0, m).sort();
    this.startSum = sums(this.starts);
    this.endSum = sums(this.ends);
    let peak = 0;
    for (let i = 0, j = 0; i < n; i++) {
      while (j < m && this.ends[j]! <= this.starts[i]!) j++;
      if (i + 1 - j > peak) peak = i + 1 - j;
    }
    this.peak = peak;
  }

  /** How many run at t. */
  at(t: number): number {
    return upperBound(this.starts, t) - upperBound(this.ends, t);
  }

  /** The time that spans ran before t, summed over them. */
  area(t: number): number {
    const i = lowerBound(this.starts, t);
    const j = lowerBound(this.ends, t);
    return t * (i - j) - this.startSum[i]! + this.endSum[j]!;
  }

  /**
   * The mean number that ran in each of the stretches between edges, which ascend. After
   * now nothing runs.
   */
  means(edges: Float64Array, now: number, out: Float64Array): void {
    let i = lowerBound(this.starts, Math.min(edges[0]!, now));
    let j = lowerBound(this.ends, Math.min(edges[0]!, now));
    let t = Math.min(edges[0]!, now);
    let area = t * (i - j) - this.startSum[i]! + this.endSum[j]!;
    for (let k = 0; k + 1 < edges.length; k++) {
      const to = Math.min(edges[k + 1]!, now);
      if (!(to > t)) {
        out[k] = 0;
        continue;
      }
      i = gallop(this.starts, to, i, this.starts.length);
      j = gallop(this.ends, to, j, this.ends.length);
      const next = to * (i - j) - this.startSum[i]! + this.endSum[j]!;
      out[k] = Math.max(0, (next - area) / (to - t));
      area = next;
      t = to;
    }
  }
}

function sums(a: Float64Array): Float64Array {
  const out = new Float64Array(a.length + 1);
  for (let i = 0; i < a.length; i++) out[i + 1] = out[i]! + a[i]!;
  return out;
}
