// Binary search in sorted arrays of numbers.

/** The first index in [lo, hi) whose value is at least x; hi if there is none. */
export function lowerBound(a: ArrayLike<number>, x: number, lo = 0, hi = a.length): number {
  while (lo < hi) {
    const mid = (lo + hi) >>> 1;
    if (a[mid]! < x) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

/** The first index in [lo, hi) whose value is above x; hi if there is none. */
export function upperBound(a: ArrayLike<number>, x: number, lo = 0, hi = a.length): number {
  while (lo < hi) {
    const mid = (lo + hi) >>> 1;
    if (a[mid]! <= x) lo = mid + 1;
    else hi = mid;
  }
  return lo;
}

/**
 * As lowerBound, for an answer that is likely near lo: the cost grows with the logarithm
 * of the distance, so that a walk in small and large steps is cheap for both.
 */
export function gallop(a: ArrayLike<number>, x: number, lo: number, hi: number): number {
  if (lo >= hi || a[lo]! >= x) return lo;
  let step = 1;
  while (lo + step < hi && a[lo + step]! < x) {
    lo += step;
    step <<= 1;
  }
  return lowerBound(a, x, lo + 1, Math.min(lo + step, hi));
}
