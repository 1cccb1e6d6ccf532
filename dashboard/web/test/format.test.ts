import assert from "node:assert/strict";
import { test } from "node:test";
import * as f from "../src/format";

test("durations", () => {
  for (const [us, want] of [
    [0, "0 µs"], [1, "1 µs"], [999, "999 µs"], [1000, "1 ms"], [1234, "1.23 ms"], [45_678, "45.7 ms"], [999_499, "999 ms"],
    [1e6, "1 s"], [59.9e6, "59.9 s"], [60e6, "1 m 00 s"], [3599.6e6, "1 h 00 m"], [3723e6, "1 h 02 m"], [50 * 3600e6, "2 d 2 h"],
    [-1500, "−1.5 ms"], [NaN, "–"], [Infinity, "–"],
  ] as const) {
    assert.equal(f.duration(us), want);
  }
});

test("points in time, as exact as the step", () => {
  for (const [us, step, want] of [
    [0, 100, "0 µs"], [250, 50, "250 µs"], [250_000, 50_000, "250 ms"], [1_234_567, 1000, "1.235 s"], [12e6, 1e6, "12 s"],
    [75e6, 1e6, "1:15"], [75.5e6, 1e5, "1:15.5"], [3675e6, 1e6, "1:01:15"], [59.99e6, 1e4, "59.99 s"],
  ] as const) {
    assert.equal(f.at(us, step), want, `${us} by ${step}`);
  }
});

test("bytes, rates, shares, counts", () => {
  assert.equal(f.bytes(0), "0 B");
  assert.equal(f.bytes(1023), "1023 B");
  assert.equal(f.bytes(1024), "1 KiB");
  assert.equal(f.bytes(1.5 * 2 ** 30), "1.5 GiB");
  assert.equal(f.rate(50, 2e6), "25/s");
  assert.equal(f.rate(5000, 1e6), "5,000/s");
  assert.equal(f.rate(1, 0), "–");
  assert.equal(f.percent(0.5), "50 %");
  assert.equal(f.percent(0.0123), "1.23 %");
  assert.equal(f.count(1234567), "1,234,567");
});

test("durations can be read back", () => {
  for (const [text, us] of [["100ms", 1e5], ["1.5s", 1.5e6], ["2m", 120e6], ["7us", 7], ["3", 3e6], [".5h", 1800e6]] as const) {
    assert.equal(f.parseDuration(text), us);
  }
  for (const text of ["", "ms", "5 parsecs", "1e3s", "-1s"]) assert.ok(Number.isNaN(f.parseDuration(text)), text);
});

test("arguments are quoted for a shell only where they must be", () => {
  assert.equal(f.shell(["echo", "a b", "it's", "", "x=1", "$HOME"]), `echo 'a b' 'it'\\''s' '' x=1 '$HOME'`);
});
