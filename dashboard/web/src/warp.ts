// The map between time and its place on the axis. Without gaps it is the identity; with
// idle time collapsed, each long gap takes up a short, fixed length.
import { upperBound } from "./search";

/** A monotonic, piecewise linear map of µs of the run to µs of the axis, and back. */
export class Warp {
  readonly from: Float64Array; // where each gap begins, in time
  readonly to: Float64Array;
  private readonly placeFrom: Float64Array; // the same on the axis
  private readonly placeTo: Float64Array;

  /** Gaps are disjoint and sorted; each is drawn as if it took at most keep µs. */
  constructor(gaps: readonly (readonly [number, number])[] = [], keep = 0) {
    const n = gaps.length;
    this.from = new Float64Array(n);
    this.to = new Float64Array(n);
    this.placeFrom = new Float64Array(n);
    this.placeTo = new Float64Array(n);
    let saved = 0;
    gaps.forEach(([from, to], i) => {
      const length = Math.min(keep, to - from);
      this.from[i] = from;
      this.to[i] = to;
      this.placeFrom[i] = from - saved;
      this.placeTo[i] = from - saved + length;
      saved += to - from - length;
    });
  }

  get gaps(): number {
    return this.from.length;
  }

  /** The place on the axis of time t. */
  place(t: number): number {
    if (this.from.length === 0) return t;
    const i = upperBound(this.from, t) - 1;
    if (i < 0) return t;
    if (t >= this.to[i]!) return this.placeTo[i]! + (t - this.to[i]!);
    const share = (t - this.from[i]!) / (this.to[i]! - this.from[i]!);
    return this.placeFrom[i]! + share * (this.placeTo[i]! - this.placeFrom[i]!);
  }

  /** The time at place p of the axis. */
  time(p: number): number {
    if (this.from.length === 0) return p;
    const i = upperBound(this.placeFrom, p) - 1;
    if (i < 0) return p;
    if (p >= this.placeTo[i]!) return this.to[i]! + (p - this.placeTo[i]!);
    const share = (p - this.placeFrom[i]!) / (this.placeTo[i]! - this.placeFrom[i]!);
    return this.from[i]! + share * (this.to[i]! - this.from[i]!);
  }
}

/**
 * The stretches of [0, until] longer than least in which nothing ran. Starts and ends are
 * sorted, each on its own; a span that still runs has no end.
 */
export function idleGaps(
  starts: ArrayLike<number>,
  ends: ArrayLike<number>,
  until: number,
  least: number,
): [number, number][] {
  const gaps: [number, number][] = [];
  let idleSince = 0;
  let j = 0;
  for (let i = 0; i < starts.length; i++) {
    const s = starts[i]!;
    while (j < ends.length && ends[j]! <= s) j++;
    // i spans have begun before this one, and j of them are over: idle if these are all.
    if (j >= i) {
      if (i > 0) idleSince = ends[i - 1]!;
      if (s - idleSince > least) gaps.push([idleSince, s]);
    }
  }
  if (starts.length > 0 && ends.length >= starts.length) {
    const last = ends[ends.length - 1]!;
    if (until - last > least) gaps.push([last, until]);
  }
  return gaps;
}
