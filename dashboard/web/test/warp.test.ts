import assert from "node:assert/strict";
import { test } from "node:test";
import { idleGaps, Warp } from "../src/warp";

test("without gaps time is its place", () => {
  const w = new Warp();
  for (const t of [-5, 0, 17.5]) {
    assert.equal(w.place(t), t);
    assert.equal(w.time(t), t);
  }
});

test("gaps are drawn short, and the way back is exact", () => {
  const w = new Warp([[10, 110], [200, 203], [300, 1300]], 5);
  assert.equal(w.place(5), 5);
  assert.equal(w.place(10), 10);
  assert.equal(w.place(110), 15);
  assert.equal(w.place(60), 12.5);
  assert.equal(w.place(203), 108, "a gap shorter than what is kept stays as it is");
  assert.equal(w.place(1300), 210);
  let last = -Infinity;
  for (let t = -20; t < 1500; t += 3.3) {
    const p = w.place(t);
    assert.ok(p > last, "places ascend");
    last = p;
    assert.ok(Math.abs(w.time(p) - t) < 1e-6, `${t} and back`);
  }
});

test("idle gaps are where nothing ran", () => {
  const spans = [[5, 20], [8, 12], [60, 70], [70, 90], [200, 201]];
  const starts = spans.map((s) => s[0]!).sort((a, b) => a - b);
  const ends = spans.map((s) => s[1]!).sort((a, b) => a - b);
  assert.deepEqual(idleGaps(starts, ends, 500, 4), [[0, 5], [20, 60], [90, 200], [201, 500]]);
  assert.deepEqual(idleGaps(starts, ends, 500, 50), [[90, 200], [201, 500]]);
  assert.deepEqual(idleGaps([5, 60], [20], 500, 4), [[0, 5], [20, 60]], "what runs is not idle");
  assert.deepEqual(idleGaps([], [], 500, 4), []);
});
