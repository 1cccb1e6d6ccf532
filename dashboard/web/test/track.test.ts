import assert from "node:assert/strict";
import { test } from "node:test";
import { lowerBound } from "../src/search";
import { Steps, Track } from "../src/track";
import { numbers } from "./made";

// Spans of one lane, one after the other, with gaps.
function laneOf(n: number, seed: number): [number, number][] {
  const next = numbers(seed);
  const list: [number, number][] = [];
  let t = 0;
  for (let i = 0; i < n; i++) {
    t += Math.floor(next() * 5);
    const end = t + Math.floor(next() * 9);
    list.push([t, end]);
    t = end;
  }
  return list;
}

function overlap(spans: readonly (readonly [number, number])[], from: number, to: number): number {
  return spans.reduce((sum, [s, e]) => sum + Math.max(0, Math.min(e, to) - Math.max(s, from)), 0);
}

test("busy time is that of a walk over all spans", () => {
  for (let seed = 1; seed < 30; seed++) {
    const spans = laneOf(60, seed).filter(([s, e]) => e > s);
    const t = new Track(1);
    spans.forEach(([s, e], i) => t.add(i, s, e, false));
    const now = spans.at(-1)![1];
    for (let from = -3; from < now + 5; from += 3.7) {
      for (const length of [0.5, 4, 33, 1000]) {
        const to = from + length;
        const first = t.after(from);
        const past = Math.max(first, lowerBound(t.start, to, 0, t.n));
        assert.ok(Math.abs(t.busyIn(from, to, first, past, now) - overlap(spans, from, to)) < 1e-9, `seed ${seed}, ${from} … ${to}`);
      }
    }
  }
});

test("what runs is busy until now", () => {
  const t = new Track();
  t.add(0, 0, 10, false);
  t.add(1, 20, Infinity, false);
  assert.equal(t.busyIn(0, 100, 0, 2, 50), 40);
  assert.equal(t.busyIn(0, 40, 0, 2, 50), 30);
  t.update(1, 20, 25, false);
  assert.equal(t.busyIn(0, 100, 0, 2, 50), 15);
});

test("spans that come late find their place, and failures stay theirs", () => {
  const spans = laneOf(200, 7).map(([s, e], i) => ({ s: s + i * 1e-3, e: e + i * 1e-3, i }));
  const t = new Track(1);
  const next = numbers(3);
  const order = spans.slice().sort(() => next() - 0.5);
  for (const { s, e, i } of order) t.add(i, s, e, i % 17 === 0);
  assert.deepEqual([...t.start.subarray(0, t.n)], spans.map((x) => x.s));
  assert.deepEqual([...t.span.subarray(0, t.n)], spans.map((x) => x.i));
  assert.deepEqual(t.failed.map((p) => t.span[p]), spans.filter((x) => x.i % 17 === 0).map((x) => x.i));
  for (const { s, i } of spans) assert.equal(t.span[t.position(i, s)], i);
  assert.equal(t.position(5, 1e9), -1);
  t.update(34, spans[34]!.s, spans[34]!.e, false);
  t.update(35, spans[35]!.s, spans[35]!.e, true);
  const failed = t.failed.map((p) => t.span[p]);
  assert.ok(!failed.includes(34) && failed.includes(35));
});

test("the span at a time", () => {
  const t = new Track();
  t.add(7, 10, 20, false);
  t.add(8, 30, 40, false);
  assert.deepEqual([5, 10, 15, 20, 35, 45].map((x) => t.at(x)), [-1, 0, 0, -1, 1, -1]);
});

test("steps tell how many ran, and what area that is", () => {
  const next = numbers(11);
  const rows = Array.from({ length: 300 }, () => {
    const s = Math.floor(next() * 1000);
    return [s, s + 1 + Math.floor(next() * 80)] as [number, number];
  }).sort((a, b) => a[0] - b[0]);
  const steps = new Steps(
    Uint32Array.from(rows, (_, i) => i), Float64Array.from(rows, (r) => r[0]), Float64Array.from(rows, (r) => r[1]), new Uint32Array(0),
  );
  let peak = 0;
  for (let t = 0; t < 1100; t += 1) {
    const n = rows.filter(([s, e]) => s <= t && t < e).length;
    peak = Math.max(peak, n);
    assert.equal(steps.at(t), n);
  }
  assert.equal(steps.peak, peak);
  const edges = Float64Array.from({ length: 57 }, (_, k) => -20 + k * 21.3);
  const means = new Float64Array(56);
  steps.means(edges, 1050, means);
  for (let k = 0; k < 56; k++) {
    const to = Math.min(edges[k + 1]!, 1050);
    const want = to > edges[k]! ? overlap(rows, edges[k]!, to) / (to - edges[k]!) : 0;
    assert.ok(Math.abs(means[k]! - want) < 1e-9, `column ${k}: ${means[k]} and not ${want}`);
  }
});

test("steps of nothing are flat", () => {
  const none = new Steps(new Uint32Array(0), new Float64Array(0), new Float64Array(0), new Uint32Array(0));
  const means = new Float64Array(3);
  none.means(Float64Array.of(0, 1, 2, 3), 10, means);
  assert.deepEqual([...means, none.at(1), none.peak], [0, 0, 0, 0, 0]);
});

test("what took no time at the start of a longer span comes before it", () => {
  for (const order of [[0, 1, 2], [2, 1, 0], [1, 2, 0], [1, 0, 2]]) {
    const t = new Track();
    const spans = [[7, 7], [7, 7], [7, Infinity]] as const;
    for (const i of order) t.add(i, spans[i]![0], spans[i]![1], i === 1);
    assert.equal(t.end[2], Infinity, `added as ${order}`);
    assert.ok(!t.tangled);
    assert.deepEqual(t.failed.map((p) => t.span[p]), [1]);
    assert.equal(t.busyIn(0, 100, 0, 3, 50), 43);
  }
});

test("spans that overlap against the rule are all found", () => {
  const t = new Track();
  t.add(0, 0, 100, false);
  t.add(1, 5, 6, false);
  t.add(2, 200, 210, false);
  assert.ok(t.tangled);
  assert.deepEqual([3, 50, 150, 205].map((x) => t.span[t.after(x)]), [0, 0, 2, 2]);
  assert.ok(t.busyIn(0, 10, 0, 2, 300) <= 10);
});
