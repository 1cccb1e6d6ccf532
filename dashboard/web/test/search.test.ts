import assert from "node:assert/strict";
import { test } from "node:test";
import { gallop, lowerBound, upperBound } from "../src/search";

test("bounds are those of a walk from the left", () => {
  const a = [1, 1, 3, 3, 3, 7, 9, 9];
  for (let x = 0; x <= 10; x++) {
    const lo = a.findIndex((v) => v >= x);
    const up = a.findIndex((v) => v > x);
    assert.equal(lowerBound(a, x), lo < 0 ? a.length : lo);
    assert.equal(upperBound(a, x), up < 0 ? a.length : up);
    for (let from = 0; from <= a.length; from++) {
      assert.equal(gallop(a, x, from, a.length), Math.max(from, lo < 0 ? a.length : lo), `gallop ${x} from ${from}`);
    }
  }
  assert.equal(lowerBound([], 1), 0);
});

test("a gallop stays within its end", () => {
  const a = Array.from({ length: 100 }, (_, i) => i);
  for (let hi = 0; hi <= 100; hi++) for (const x of [0, 5, 50, 99, 1000]) assert.equal(gallop(a, x, 0, hi), Math.min(hi, x));
});
