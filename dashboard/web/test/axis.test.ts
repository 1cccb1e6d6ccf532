import assert from "node:assert/strict";
import { test } from "node:test";
import { niceCeil, niceStep, ticks } from "../src/axis";

test("a step is round and not below what was asked for", () => {
  for (const [least, want] of [
    [0.3, 0.5], [1, 1], [3, 5], [12, 20], [1000, 1000], [1001, 2000], [400_000, 500_000],
    [600_000, 1e6], [3e6, 5e6], [12e6, 15e6], [40e6, 60e6], [61e6, 120e6], [400e6, 600e6],
    [5 * 3600e6, 6 * 3600e6], [25 * 3600e6, 2 * 86400e6],
  ] as const) {
    assert.equal(niceStep(least), want, `step for ${least}`);
  }
  for (let x = 0.2; x < 1e13; x *= 1.37) {
    const step = niceStep(x);
    assert.ok(step >= x * (1 - 1e-9) && step <= x * 3.1, `step ${step} for ${x}`);
  }
});

test("a step for nonsense is still a step", () => {
  for (const x of [0, -1, NaN]) assert.equal(niceStep(x), 1);
});

test("ticks are the multiples within", () => {
  assert.deepEqual(ticks(0, 10, 5), [0, 5, 10]);
  assert.deepEqual(ticks(1, 9, 5), [5]);
  assert.deepEqual(ticks(6, 9, 5), []);
  assert.deepEqual(ticks(0, 10, 0), []);
  assert.deepEqual(ticks(10, 0, 1), []);
  assert.equal(ticks(0, 1e12, 1).length, 1000, "never without bound");
});

test("a scale ends at a round number", () => {
  assert.deepEqual([0.7, 1, 1.2, 7, 99, 1234, 0, NaN].map(niceCeil), [0.8, 1, 1.5, 8, 100, 1500, 1, 1]);
});
