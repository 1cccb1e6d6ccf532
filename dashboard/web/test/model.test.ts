import assert from "node:assert/strict";
import { test } from "node:test";
import { Model, neighbour, type Delta } from "../src/model";
import { decode, SnapshotError } from "../src/snapshot";
import { modelOf, numbers, type Row } from "./made";

function encode(head: object, body = new Uint8Array(0)): ArrayBuffer {
  let text = JSON.stringify(head);
  while ((4 + new TextEncoder().encode(text).length) % 8 !== 0) text += " ";
  const bytes = new TextEncoder().encode(text);
  const out = new Uint8Array(4 + bytes.length + body.length);
  new DataView(out.buffer).setUint32(0, bytes.length, true);
  out.set(bytes, 4);
  out.set(body, 4 + bytes.length);
  return out.buffer;
}

test("a snapshot is read without copying", () => {
  const body = new Uint8Array(40);
  new Float64Array(body.buffer, 0, 2).set([1.5, 2.5]);
  new Uint8Array(body.buffer, 16, 2).set([0, 4]);
  const buffer = encode({
    version: 1, seq: 9, now: 7, state: "ended", texts: "lazy", spans: 2, run: { name: "ä" },
    columns: [
      { name: "start", type: "f64", offset: 0, length: 2 }, { name: "state", type: "u8", offset: 16, length: 2 },
      { name: "novel", type: "f16", offset: 24, length: 2 },
    ],
  }, body);
  const { head, columns } = decode(buffer);
  assert.equal(head.run.name, "ä");
  assert.deepEqual([...columns.get("start")!], [1.5, 2.5]);
  assert.equal(columns.get("start")!.buffer, buffer);
  assert.ok(!columns.has("novel"), "a kind that is not known is left out");
  assert.deepEqual(head.lanes, []);
  const m = new Model({ head, columns });
  assert.equal(m.n, 2);
  assert.ok(Number.isNaN(m.end[0]), "a column that is missing has its empty value");
  assert.equal(m.attempt[1], 1);
  assert.equal(m.label(1), "#1");
});

test("what is no snapshot is told apart", () => {
  const cases: [ArrayBuffer, RegExp][] = [
    [new ArrayBuffer(0), /empty/],
    [new Uint8Array([255, 255, 255, 127, 1, 2]).buffer, /cut short/],
    [new Uint8Array([2, 0, 0, 0, 60, 60]).buffer, /not a snapshot/],
    [encode({ version: 2 }), /version 2 .* newer braid/],
    [encode({ version: 1, columns: [{ name: "start", type: "f64", offset: 0, length: 5 }] }), /cut short in column “start”/],
  ];
  for (const [buffer, want] of cases) {
    assert.throws(() => decode(buffer), (e) => e instanceof SnapshotError && want.test(e.message));
  }
});

test("attempts of a call are found from each of them", () => {
  const m = modelOf([
    { start: 0, end: 5, call: 1, state: 17 }, { start: 1, end: 3, call: 2 }, { start: 9, end: 12, call: 1, attempt: 2, state: 17, lane: 1 },
    { start: 20, end: 22, call: 1, attempt: 3 },
  ]);
  for (const i of [0, 2, 3]) assert.deepEqual(m.attemptsOf(i), [0, 2, 3]);
  assert.deepEqual(m.attemptsOf(1), [1]);
  assert.equal(m.stateName(3), "ok, retried");
  assert.equal(m.stateName(0), "error, tried again");
});

test("failures, and the next of them", () => {
  const m = modelOf([
    { start: 0, end: 5, state: 1 }, { start: 6, end: 7 }, { start: 8, end: 9, state: 4 }, { start: 10, end: 11, state: 17 }, { start: 12, end: 13, state: 5 },
  ]);
  const failed = m.failed();
  assert.deepEqual([...failed], [0, 2], "what is tried again or was cancelled is no failure");
  assert.equal(neighbour(failed, m.start, 0, 1), 2);
  assert.equal(neighbour(failed, m.start, 8, -1), 0);
  assert.equal(neighbour(failed, m.start, 8, 1), -1);
  assert.equal(neighbour(failed, m.start, 0, -1), -1);
});

// What deltas build up must be what a snapshot of the end holds.
test("news build the same run as a snapshot", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const next = numbers(seed);
    const rows: Row[] = [];
    const free = [0, 0, 0];
    for (let i = 0; i < 120; i++) {
      const lane = Math.floor(next() * 3);
      const start = free[lane]! + 1 + Math.floor(next() * 5);
      free[lane] = start + 1 + Math.floor(next() * 20);
      rows.push({ start, end: free[lane]!, lane, state: next() < 0.1 ? 1 : 0, task: i % 2 });
    }
    const m = modelOf([], { lanes: [], state: "running", now: 0 });
    let seq = 1;
    const send = (index: number[], running: boolean): Delta => ({
      seq: ++seq, now: 1, lanes: seq === 2 ? [0, 1, 2].map((k) => ({ engine: 0, slot: k + 1 })) : [],
      spans: {
        index, start: index.map((i) => rows[i]!.start), end: index.map((i) => (running ? null : rows[i]!.end!)), lane: index.map((i) => rows[i]!.lane!),
        state: index.map((i) => (running ? 7 : rows[i]!.state!)), task: index.map((i) => rows[i]!.task!), input: index, call: index,
      },
    });
    for (let i = 0; i < rows.length; ) {
      const batch = Array.from({ length: Math.min(rows.length - i, 1 + Math.floor(next() * 9)) }, (_, k) => i + k);
      const runs = next() < 0.5;
      assert.ok(m.apply(send(batch, runs)));
      if (runs) assert.ok(m.apply(send(batch, false)));
      if (next() < 0.3) m.byStart(); // so that the order is kept up, too
      i += batch.length;
    }
    const whole = modelOf(rows);
    assert.equal(m.n, whole.n);
    assert.deepEqual([...m.end.subarray(0, m.n)], [...whole.end]);
    const byStart = (a: number, b: number): number => whole.start[a]! - whole.start[b]! || a - b;
    assert.deepEqual([...m.byStart()], rows.map((_, i) => i).sort(byStart));
    assert.deepEqual([...m.failed()], [...whole.failed()]);
    for (let lane = 0; lane < 3; lane++) {
      const [a, b] = [m.tracks[lane]!, whole.tracks[lane]!];
      assert.deepEqual([...a.span.subarray(0, a.n)], [...b.span.subarray(0, b.n)]);
      assert.deepEqual([...a.end.subarray(0, a.n)], [...b.end.subarray(0, b.n)]);
      assert.deepEqual(a.failed, b.failed);
    }
  }
});

test("news that do not fit are refused whole", () => {
  const m = modelOf([{ start: 0, end: 1 }]);
  assert.equal(m.apply({ seq: 2, now: 5, spans: { index: [3], start: [4] } }), false);
  assert.equal(m.n, 1);
  assert.equal(m.head.seq, 1);
});

test("samples are appended, and never twice", () => {
  const m = modelOf([]);
  m.apply({ seq: 2, now: 5, samples: [[1, 2, 3, null, 5, 6, 7], [2, 2, 3, 0.5, 5, 6, 7]] });
  m.apply({ seq: 3, now: 5, samples: [[2, 9, 9, 9, 9, 9, 9], [3, 1, 1, 1, 1, 1, 1]] });
  assert.deepEqual([...m.samples.t.subarray(0, m.samples.n)], [1, 2, 3]);
  assert.ok(Number.isNaN(m.samples.cpu[0]));
  assert.equal(m.sampleAt(0), -1);
  assert.equal(m.sampleAt(2.5), 1);
});
