// What the page shows, as signals; and the same in the address, so that it can be sent.
import { computed, effect, signal } from "@preact/signals";
import { parseFilter, type Filter, type Found } from "./filter";
import { groupings, type Grouping } from "./layout";
import type { Connection } from "./live";
import type { Model } from "./model";
import type { Failure } from "./snapshot";
import type { Source } from "./source";
import type { Range, Timeline } from "./timeline";

export const tabs = ["failures", "slowest", "all", "histogram", "advice", "log"] as const;
export type Tab = (typeof tabs)[number];
export type ThemeChoice = "auto" | "light" | "dark";

export const model = signal<Model | null>(null);
/** Counts the news. Panels that are dear to draw read slow, which moves at most twice a second. */
export const version = signal(0);
export const slow = signal(0);
export const failure = signal(""); // why there is nothing to show
export const connection = signal<Connection>("none");
export const painted = signal(0); // performance.now() after the first frame
export const heard = signal(0); // performance.now() of the last news
export const selected = signal(-1);
export const range = signal<Range | null>(null);
export const tab = signal<Tab>("failures");
export const filterText = signal("");
export const follow = signal(false);
export const paused = signal(false); // the view, not the run
export const unseen = signal(0); // spans that have come since following ended
export const grouping = signal<Grouping>("lane");
export const pins = signal<readonly string[]>([]); // the keys of lanes that are kept in sight
export const idle = signal(false); // idle time is collapsed
export const help = signal(false);
export const decision = signal(false);
export const theme = signal<ThemeChoice>("auto");
export const notice = signal(""); // one short message, such as “copied”
export const panelHeight = signal(236);
export const side = signal(true); // the inspector is shown

/** Inputs that the server has found texts in, where the texts are not in the page. */
export const found = signal<Found>(new Map());
/** What to ask before something is done that cannot be undone; null: nothing. */
export const question = signal<{ text: string; yes: string; act: () => void } | null>(null);

export const filter = computed<Filter | null>(() => {
  const m = model.value;
  void slow.value; // lanes, tasks and errors may have come
  return m ? parseFilter(filterText.value, m, found.value) : null;
});

/** The timeline, once it stands, and where data come from. */
export const parts: { timeline: Timeline | null; source: Source | null } = { timeline: null, source: null };

/** Selects a span everywhere; reveal moves the timeline to it if need be. */
export function select(span: number, reveal = true): void {
  selected.value = span;
  if (span >= 0) side.value = true;
  parts.timeline?.select(span, reveal);
}

/** Shows a filter's result in the table of all tasks. */
export function search(text: string): void {
  filterText.value = text;
  tab.value = "all";
}

let askTimer = 0;

/** Asks the server for the texts that the filter looks for and the page has not. */
export function askForTexts(): void {
  window.clearTimeout(askTimer);
  const asks = filter.value?.asks ?? [];
  if (asks.length === 0 || !parts.source?.live) return;
  askTimer = window.setTimeout(() => {
    void Promise.all(asks.map((text) => parts.source!.find(text).then((inputs) => [text, inputs] as const, () => [text, null] as const)))
      .then((answers) => {
        const known = answers.filter(([, inputs]) => inputs !== null);
        if (known.length > 0) found.value = new Map([...found.value, ...known.map(([text, inputs]) => [text, new Set(inputs!)] as const)]);
      });
  }, 250);
}

let noticeTimer = 0;

/** Shows a message for a moment. */
export function say(text: string): void {
  notice.value = text;
  window.clearTimeout(noticeTimer);
  noticeTimer = window.setTimeout(() => (notice.value = ""), 4000);
}

export async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // A file or an old browser: the way that always works.
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "offscreen";
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  say("copied");
}

/** Saves a text as a file of the person's. */
export function save(name: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Keeps a lane in sight above the others, or lets it go. */
export function pin(lane: number): void {
  const m = model.value;
  if (!m) return;
  const key = m.laneKey(lane);
  const on = !pins.value.includes(key);
  pins.value = on ? [...pins.value, key] : pins.value.filter((k) => k !== key);
  parts.timeline?.setPins(pins.value);
  const name = m.laneName(lane);
  if (!on) say(`${name} is back among the others`);
  else if (grouping.value !== "lane") say(`${name} is pinned: group by lane to see it`);
  else if (!parts.timeline?.shows(lane)) say("there is no room for another pinned lane");
  else say(`${name} stays in sight`);
}

// ---- the address

/** Takes over what the address says; unknown words in it are ignored. */
export function readAddress(): void {
  const q = new URLSearchParams(location.hash.slice(1));
  const t = q.get("tab") as Tab | null;
  if (t && tabs.includes(t)) tab.value = t;
  const by = q.get("by") as Grouping | null;
  grouping.value = by && groupings.includes(by) ? by : "lane";
  filterText.value = q.get("q") ?? "";
  idle.value = q.get("idle") === "1";
  const span = Number(q.get("span") ?? NaN);
  selected.value = Number.isInteger(span) && span >= 0 && span < (model.value?.n ?? 0) ? span : -1;
  const m = model.value;
  const tl = parts.timeline;
  if (!tl || !m) return;
  if (tl.grouping !== grouping.value) tl.setGrouping(grouping.value);
  if (tl.collapseIdle !== idle.value) tl.setCollapseIdle(idle.value);
  pins.value = q.getAll("pin");
  tl.setPins(pins.value);
  for (const word of (q.get("folds") ?? "").split(",")) {
    if (word.length > 1) tl.fold(decodeURIComponent(word.slice(1)), word[0] === "-");
  }
  const from = Number(q.get("from") ?? NaN);
  const to = Number(q.get("to") ?? NaN);
  if (to > from) tl.go(tl.placed({ from, to }));
  tl.select(selected.value);
}

let writeTimer = 0;

/** Writes to the address what is shown, a little later. */
export function writeAddress(): void {
  window.clearTimeout(writeTimer);
  writeTimer = window.setTimeout(() => {
    const q = new URLSearchParams();
    const m = model.value;
    const tl = parts.timeline;
    if (!m || !tl) return;
    if (tab.value !== defaultTab(m)) q.set("tab", tab.value);
    if (grouping.value !== "lane") q.set("by", grouping.value);
    if (filterText.value) q.set("q", filterText.value);
    if (idle.value) q.set("idle", "1");
    if (selected.value >= 0) q.set("span", String(selected.value));
    for (const key of pins.value.slice(0, 50)) q.append("pin", key);
    const folds = [...tl.folds].map(([key, closed]) => (closed ? "-" : "+") + encodeURIComponent(key));
    if (folds.length > 0 && folds.length < 50) q.set("folds", folds.join(","));
    const seen = tl.visible();
    const whole = tl.whole();
    const all = tl.view.from <= 0 && tl.view.to >= whole.to * 0.985;
    if (!all && !tl.follow) {
      q.set("from", seen.from.toFixed(0));
      q.set("to", seen.to.toFixed(0));
    }
    const hash = q.toString();
    const url = location.pathname + (hash ? "#" + hash : "");
    try {
      history.replaceState(null, "", url);
    } catch {
      // Some browsers do not let a local file do this.
    }
  }, 300);
}

/** Reports whether a kind of error is one of failures: not of what was stopped with the run, or never begun. */
export function isOfFailures(e: Failure): boolean {
  return e.kind !== "refused" && e.kind !== "cancelled";
}

/** Failures come first, if there are any. */
export function defaultTab(m: Model): Tab {
  if ((m.head.counts.failed ?? 0) > 0 || m.head.errors.some(isOfFailures)) return "failures";
  return m.head.advice.some((a) => a.code === "engine" && m.head.engines.length > 1) ? "advice" : "slowest"; // what a comparison has found
}

// ---- light and dark

/** Follows the choice of light or dark; redraw is called after each change. */
export function applyTheme(redraw: () => void): void {
  try {
    const kept = localStorage.getItem("braid-theme");
    if (kept === "light" || kept === "dark") theme.value = kept;
  } catch {
    // No storage: the choice lasts as long as the page.
  }
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = (): void => {
    const dark = theme.value === "dark" || (theme.value === "auto" && system.matches);
    document.documentElement.dataset["theme"] = dark ? "dark" : "light";
    redraw();
  };
  system.addEventListener("change", apply);
  effect(() => {
    try {
      if (theme.value === "auto") localStorage.removeItem("braid-theme");
      else localStorage.setItem("braid-theme", theme.value);
    } catch {
      // As above.
    }
    apply();
  });
}
