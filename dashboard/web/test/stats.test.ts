import assert from "node:assert/strict";
import { test } from "node:test";
import { aggregate, eta, histogram, quantiles, slowest, sorted } from "../src/stats";
import { modelOf, numbers, type Row } from "./made";

test("quantiles lie between the values", () => {
  assert.deepEqual(quantiles(Float64Array.of(3, 1, 2), [0, 0.5, 1]), [1, 2, 3]);
  assert.deepEqual(quantiles(Float64Array.of(1, 2), [0.5]), [1.5]);
  assert.ok(Number.isNaN(quantiles(new Float64Array(0), [0.5])[0]));
});

test("a range sums up what overlaps it", () => {
  const m = modelOf([
    { start: 0, end: 10 }, { start: 20, end: 40, state: 1, lane: 1 }, { start: 30, end: 60, queued: 20 }, { start: 50, state: 7 }, { start: 100, end: 110 },
  ], { now: 120 });
  const a = aggregate(m, 25, 70);
  assert.deepEqual([a.count, a.ok, a.failed, a.running, a.finished], [3, 1, 1, 1, 2]);
  assert.equal(a.busy, 15 + 30 + 20);
  assert.equal(a.p50, 25);
  assert.equal(a.wait, 10);
  assert.ok(Number.isNaN(a.cpu));
  assert.equal(aggregate(m, 25, 70, (i) => i === 1).count, 1);
});

test("a histogram counts every finished attempt once", () => {
  const next = numbers(5);
  const rows: Row[] = Array.from({ length: 500 }, (_, i) => ({ start: i, end: i + Math.exp(next() * 15), state: i % 50 === 0 ? 1 : i % 77 === 0 ? 5 : 0 }));
  const m = modelOf([...rows, { start: 900 }]);
  const h = histogram(m, 40);
  assert.equal(h.n, 500);
  assert.ok(h.bins.length > 5 && h.bins.length <= 40);
  assert.equal(h.bins.reduce((s, b) => s + b.ok + b.failed + b.other, 0), 500);
  assert.equal(h.bins.reduce((s, b) => s + b.failed, 0), 10);
  for (const [k, b] of h.bins.entries()) if (k > 0) assert.ok(Math.abs(b.from / h.bins[k - 1]!.to - 1) < 1e-9);
  assert.deepEqual(histogram(modelOf([]), 40).bins, []);
  assert.equal(histogram(modelOf([{ start: 0, end: 7 }]), 40).n, 1);
});

test("sorting, either way, with what is unknown last", () => {
  const m = modelOf([{ start: 0, end: 9, cpu: 5 }, { start: 1, end: 4 }, { start: 2, end: 30, cpu: 1 }, { start: 3, end: 5, state: 1, cpu: 5 }]);
  assert.deepEqual([...sorted(m, "duration", true)], [2, 0, 1, 3]);
  assert.deepEqual([...sorted(m, "duration", false)], [3, 1, 0, 2]);
  assert.deepEqual([...sorted(m, "cpu", true)], [0, 3, 2, 1]);
  assert.deepEqual([...sorted(m, "cpu", false)], [2, 0, 3, 1]);
  assert.deepEqual([...sorted(m, "state", false)], [3, 0, 1, 2], "failures first");
  assert.deepEqual([...sorted(m, "start", true, (i) => i !== 2)], [3, 1, 0]);
});

test("the slowest are those of a full sort", () => {
  const next = numbers(9);
  const m = modelOf(Array.from({ length: 3000 }, (_, i) => ({ start: i, end: i + Math.floor(next() * 1000) })));
  const want = sorted(m, "duration", true).slice(0, 50);
  assert.deepEqual([...slowest(m, 50, () => true)], [...want]);
  assert.deepEqual([...slowest(m, 50, (i) => i === 3)], [3]);
});

test("the end is told as a range, or not at all", () => {
  const samples = { t: [1, 2, 3, 4], done: [10, 20, 40, 60] };
  const m = modelOf([], { state: "running", inputs: { total: 100, read: 100 } });
  assert.equal(eta(m), null);
  m.apply({ seq: 2, now: 4, samples: samples.t.map((t, k) => [t, 1, 1, 1, 1, samples.done[k]!, 0]) });
  const [from, to] = eta(m)!;
  assert.ok(from > 0 && from <= to);
  assert.ok(Math.abs(to - 40 / 15) < 1e-9, "the mean rate is the slowest here");
});
