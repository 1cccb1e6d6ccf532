// The filter of the page: words that a span must match, all of them.
//
//   resize          the input, task, lane, process or error contains it
//   state:failed    ok error panic crash timeout cancelled refused running, or failed, retried
//   task:x lane:x input:x error:x
//   dur>100ms wait>1s cpu<10ms rss>1e9 attempt>1 start<5s
//   -word           the contrary of any of these; "two words" as one
import { parseDuration } from "./format";
import { isFailure, isRetried, State, stateNames, type Model } from "./model";

export interface Filter {
  keep: (i: number) => boolean;
  /** What is wrong with the text; "" if nothing. What is wrong is left out. */
  error: string;
  /** Texts to be looked for in inputs whose texts are not in the page, nor among found. */
  asks: string[];
}

/** Which inputs hold a text, for those texts that somebody who has them was asked for. */
export type Found = ReadonlyMap<string, ReadonlySet<number>>;

type Test = (i: number) => boolean;
type Inputs = (text: string) => Test;

/** Splits text into words; quotes keep spaces in a word. */
export function words(text: string): string[] {
  const list: string[] = [];
  for (const m of text.matchAll(/(?:[^\s"]+|"[^"]*"?)+/g)) list.push(m[0].replaceAll('"', ""));
  return list.filter((w) => w !== "" && w !== "-");
}

/** Reads a filter; null if the text is blank, so that nothing is left out. */
export function parseFilter(text: string, m: Model, found: Found = new Map()): Filter | null {
  const asks: string[] = [];
  const inputs: Inputs = (text) => inputTest(text, m, found, asks);
  const tests: Test[] = [];
  let error = "";
  for (let word of words(text)) {
    const not = word.startsWith("-") && word.length > 1;
    if (not) word = word.slice(1);
    let test: Test;
    try {
      test = parseWord(word, m, inputs);
    } catch (e) {
      error ||= (e as Error).message;
      continue;
    }
    tests.push(not ? (i) => !test(i) : test);
  }
  if (tests.length === 0 && error === "") return null;
  return { keep: (i) => tests.every((t) => t(i)), error, asks };
}

function parseWord(word: string, m: Model, inputs: Inputs): Test {
  const compare = /^([a-z]+)(<=|>=|<|>|=)(.+)$/i.exec(word);
  if (compare) return parseCompare(compare[1]!.toLowerCase(), compare[2]!, compare[3]!, m);
  const colon = word.indexOf(":");
  const key = colon > 0 ? word.slice(0, colon).toLowerCase() : "";
  const value = word.slice(colon + 1).toLowerCase();
  switch (key) {
    case "state":
      return parseState(value, m);
    case "task":
      return among(m.head.tasks.map((t) => t.toLowerCase().includes(value)), (i) => m.task[i]!);
    case "lane":
      return among(m.head.lanes.map((_, lane) => laneText(m, lane).includes(value)), (i) => m.lane[i]!);
    case "engine":
      return among(m.head.lanes.map((l) => (m.head.engines[l.engine]?.name ?? "").toLowerCase() === value), (i) => m.lane[i]!);
    case "error":
      return among(m.head.errors.map((e) => errorText(e).includes(value)), (i) => m.error[i]!);
    case "input":
      return inputs(value);
  }
  const text = word.toLowerCase();
  const tasks = m.head.tasks.map((t) => t.toLowerCase().includes(text));
  const lanes = m.head.lanes.map((_, lane) => laneText(m, lane).includes(text));
  const errors = m.head.errors.map((e) => errorText(e).includes(text));
  const input = inputs(text);
  return (i) => !!tasks[m.task[i]!] || !!lanes[m.lane[i]!] || !!errors[m.error[i]!] || input(i);
}

function laneText(m: Model, lane: number): string {
  const l = m.head.lanes[lane];
  return `${m.laneName(lane)} ${l?.process ?? ""} ${m.head.engines[l?.engine ?? -1]?.name ?? ""}`.toLowerCase();
}

function errorText(e: { kind: string; print: string; text: string }): string {
  return `${e.print} ${e.kind} ${e.text}`.toLowerCase();
}

function among(hits: boolean[], of: (i: number) => number): Test {
  return (i) => hits[of(i)] === true;
}

function inputTest(text: string, m: Model, found: Found, asks: string[]): Test {
  const number = /^#(\d+)$/.exec(text);
  if (number) {
    const n = Number(number[1]) - 1;
    return (i) => m.input[i] === n;
  }
  const strings = m.head.texts === "inline" ? m.head.strings : undefined;
  if (!strings) {
    const answer = found.get(text);
    if (!answer) {
      asks.push(text);
      return () => false;
    }
    return (i) => answer.has(m.input[i]!);
  }
  const hits = new Uint8Array(strings.length);
  strings.forEach((s, k) => {
    if (s.toLowerCase().includes(text)) hits[k] = 1;
  });
  return (i) => hits[m.text[i]!] === 1;
}

function parseState(value: string, m: Model): Test {
  if (value === "failed") return (i) => isFailure(m.state[i]!);
  if (value === "retried") return (i) => isRetried(m.state[i]!) || m.attempt[i]! > 1;
  if (value === "ok") return (i) => m.state[i] === State.ok;
  const k = stateNames.indexOf(value);
  if (k < 0) throw new Error(`There is no state “${value}”; there are ${stateNames.join(", ")}, failed and retried.`);
  return (i) => (m.state[i]! & 15) === k;
}

function parseCompare(key: string, operator: string, value: string, m: Model): Test {
  const of: Record<string, ((i: number) => number) | undefined> = {
    dur: (i) => m.duration(i), wait: (i) => m.wait(i), cpu: (i) => m.cpu[i]!, parked: (i) => m.parked[i]!,
    start: (i) => m.start[i]!, end: (i) => m.endOf(i), rss: (i) => m.rss[i]!, attempt: (i) => m.attempt[i]!,
    input: (i) => m.input[i]! + 1,
  };
  const get = of[key];
  if (!get) throw new Error(`“${key}” cannot be compared; ${Object.keys(of).join(", ")} can.`);
  const plain = key === "rss" || key === "attempt" || key === "input";
  const limit = plain ? parseSize(value) : parseDuration(value);
  if (Number.isNaN(limit)) {
    throw new Error(plain ? `“${value}” is not a number.` : `“${value}” is not a duration such as 100ms, 1.5s or 2m.`);
  }
  switch (operator) {
    case "<": return (i) => get(i) < limit;
    case "<=": return (i) => get(i) <= limit;
    case ">": return (i) => get(i) > limit;
    case ">=": return (i) => get(i) >= limit;
    default: return (i) => get(i) === limit;
  }
}

function parseSize(text: string): number {
  const m = /^(\d+(?:\.\d+)?(?:e\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text);
  if (!m) return NaN;
  return Number(m[1]) * 1024 ** " kmgt".indexOf(m[2] ? m[2].toLowerCase() : " ");
}
