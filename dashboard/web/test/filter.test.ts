import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFilter, words } from "../src/filter";
import { modelOf } from "./made";

const m = modelOf([
  { start: 0, end: 100_000, text: "photos/a.jpg" },
  { start: 1, end: 2_000_001, text: "photos/b b.jpg", task: 1, lane: 1, state: 1, error: 0, queued: 0 },
  { start: 5, end: 50, text: "c.png", state: 17, call: 7 },
  { start: 90, end: 200, text: "c.png", attempt: 2, call: 7, cpu: 20_000 },
  { start: 300, text: "d.png" },
], { now: 1_000_300, errors: [{ n: 1, kind: "error", print: "beefbeefbeefbeef", text: "Permission denied", count: 1, first: 1, last: 1, sample: 1 }] });

function kept(text: string): number[] {
  const f = parseFilter(text, m)!;
  return [0, 1, 2, 3, 4].filter((i) => f.keep(i));
}

test("words, and quotes around them", () => {
  assert.deepEqual(words('a "b c" input:"d e"  - '), ["a", "b c", "input:d e"]);
});

test("a blank filter is none", () => {
  assert.equal(parseFilter("  ", m), null);
});

test("what each word keeps", () => {
  for (const [text, want] of [
    ["jpg", [0, 1]], ["JPG", [0, 1]], ["photos -a.jpg", [1]], ['"b b"', [1]], ["denied", [1]], ["error:beef", [1]], ["hash", [1]],
    ["state:failed", [1]], ["state:ok", [0, 3]], ["state:error", [1, 2]], ["state:retried", [2, 3]], ["state:running", [4]], ["-state:ok", [1, 2, 4]],
    ["task:res", [0, 2, 3, 4]], ["lane:2", [1]], ["dur>1s", [1]], ["dur>=1s", [1, 4]], ["dur<60us", [2]], ["attempt>1", [3]], ["attempt=1", [0, 1, 2, 4]],
    ["cpu>10ms", [3]], ["wait>0", [1]], ["#1", [0]], ["input:c.png dur>100us", [3]], ["engine:threads", [0, 1, 2, 3, 4]], ["nothing-like-it", []],
  ] as const) {
    assert.deepEqual(kept(text), want, text);
  }
});

test("what is wrong is said, and left out", () => {
  for (const [text, want] of [["state:late", /no state “late”.*timeout/], ["dur>soon", /not a duration/], ["size>3", /“size” cannot be compared.*dur/], ["rss>x", /not a number/]] as const) {
    const f = parseFilter(text + " jpg", m)!;
    assert.match(f.error, want);
    assert.ok(f.keep(0) && !f.keep(2));
  }
});

test("texts that are not in the page are asked for, and what is found is kept", () => {
  const lazy = modelOf([{ start: 0, end: 1 }, { start: 1, end: 2, task: 1 }, { start: 2, end: 3 }], { texts: "lazy" });
  const first = parseFilter("a.jpg -b", lazy)!;
  assert.deepEqual(first.asks, ["a.jpg", "b"]);
  assert.deepEqual(parseFilter("state:ok #2", lazy)!.asks, []);
  const f = parseFilter("a.jpg -b", lazy, new Map([["a.jpg", new Set([0, 2])], ["b", new Set([2])]]))!;
  assert.deepEqual(f.asks, []);
  assert.deepEqual([0, 1, 2].map(f.keep), [true, false, false]);
});
