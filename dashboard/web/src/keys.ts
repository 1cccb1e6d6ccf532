// The keyboard.
import { groupings } from "./layout";
import { neighbour } from "./model";
import * as state from "./state";

/** The keys, as the help shows them. */
export const keyHelp: readonly (readonly [string, string])[] = [
  ["W S", "zoom in, out"],
  ["A D", "move left, right; in the timeline the arrows, too"],
  [", .", "previous, next task of the lane"],
  ["[ ]", "previous, next failure"],
  ["F", "show the selected task, or range"],
  ["0", "show the whole run"],
  ["L", "follow the run live"],
  ["G", "group by lane, task or state"],
  ["C", "fold or unfold the lanes"],
  ["T", "keep the lane of the task in sight, or let it go"],
  ["X", "collapse idle time"],
  ["I", "show or hide the inspector"],
  ["/", "filter"],
  ["1 … 6", "failures, slowest, all, histogram, advice, log"],
  ["P", "hold the view still, or let it go on"],
  ["Ctrl Z", "back to the view before"],
  ["Esc", "clear the selection, the range, the filter"],
  ["?", "this help"],
];

/** Handles a key; it reports whether there was something to do. */
export function press(e: KeyboardEvent): boolean {
  const tl = state.parts.timeline;
  const m = state.model.value;
  if (!tl || !m) return false;
  if ((e.ctrlKey || e.metaKey) && !e.altKey && e.key.toLowerCase() === "z" && !typing(e)) {
    tl.undo();
    return true;
  }
  if (e.key === "Escape") return escape();
  if (document.querySelector("dialog[open]") && e.key !== "?") return false;
  if (e.ctrlKey || e.metaKey || e.altKey || typing(e)) return false;
  if (e.key.startsWith("Arrow") && (e.target as Element).classList?.contains("timeline")) {
    switch (e.key) {
      case "ArrowLeft": tl.pan(-0.15); break;
      case "ArrowRight": tl.pan(0.15); break;
      case "ArrowUp": tl.scrollBy(-60); break;
      case "ArrowDown": tl.scrollBy(60); break;
    }
    return true;
  }
  switch (e.key.length === 1 ? e.key.toLowerCase() : e.key) {
    case "w": tl.zoom(0.7); break;
    case "s": tl.zoom(1 / 0.7); break;
    case "a": tl.pan(-0.15); break;
    case "d": tl.pan(0.15); break;
    case ",": step(-1); break;
    case ".": step(1); break;
    case "[": failure(-1); break;
    case "]": failure(1); break;
    case "f":
      if (tl.range) tl.fitTime(tl.range.from, tl.range.to);
      else if (state.selected.value >= 0) tl.fitTime(m.start[state.selected.value]!, m.endOf(state.selected.value));
      else return false;
      break;
    case "0": tl.fitAll(); break;
    case "l": tl.setFollow(!tl.follow); break;
    case "g": {
      const next = groupings[(groupings.indexOf(state.grouping.value) + 1) % groupings.length]!;
      state.grouping.value = next;
      tl.setGrouping(next);
      state.say(`grouped by ${next}`);
      break;
    }
    case "c": tl.foldAll(!tl.anyFolded()); break;
    case "t":
      if (state.selected.value >= 0) state.pin(m.lane[state.selected.value]!);
      else state.say("select a task first: its lane is kept in sight");
      break;
    case "x":
      state.idle.value = !state.idle.value;
      tl.setCollapseIdle(state.idle.value);
      break;
    case "i": state.side.value = !state.side.value; break;
    case "p": state.paused.value = !state.paused.value; break;
    case "/": document.querySelector<HTMLInputElement>("#filter")?.select(); break;
    case "?": state.help.value = !state.help.value; break;
    default: {
      const k = Number(e.key);
      if (!(k >= 1 && k <= state.tabs.length)) return false;
      state.tab.value = state.tabs[k - 1]!;
      // The keys of the table, or of the list, go on from here.
      requestAnimationFrame(() => document.querySelector<HTMLElement>("#panel .table, #panel button")?.focus());
    }
  }
  return true;
}

function typing(e: KeyboardEvent): boolean {
  const t = e.target;
  return t instanceof HTMLInputElement || t instanceof HTMLTextAreaElement || t instanceof HTMLSelectElement;
}

function escape(): boolean {
  const tl = state.parts.timeline!;
  if (state.help.value || state.decision.value || state.question.value) {
    state.help.value = state.decision.value = false;
    state.question.value = null;
  } else if (state.selected.value >= 0) {
    state.select(-1);
  } else if (tl.range) {
    tl.selectRange(null);
  } else if (state.filterText.value) {
    state.filterText.value = "";
  } else {
    return false;
  }
  return true;
}

function step(by: 1 | -1): void {
  const next = state.parts.timeline!.inLane(state.selected.value, by);
  if (next >= 0) state.select(next);
}

function failure(by: 1 | -1): void {
  const m = state.model.value!;
  const list = m.failed();
  if (list.length === 0) {
    state.say("nothing has failed");
    return;
  }
  const at = list.indexOf(state.selected.value);
  let next = at >= 0 ? list[at + by] ?? -1 : -1;
  if (at < 0) {
    const t = state.selected.value >= 0 ? m.start[state.selected.value]! : state.parts.timeline!.visible().from - (by > 0 ? 1 : 0);
    next = neighbour(list, m.start, t, by);
  }
  if (next < 0) state.say(by > 0 ? "that was the last failure" : "that was the first failure");
  else state.select(next);
}
