// What lies over the lanes and moves with the pointer, so that they need not be drawn again.
import * as format from "./format";
import { isFailure } from "./model";
import { paintJoins, type Scale } from "./paint";
import { axisHeight, mapHeight, stripHeight, type Scene } from "./scene";

/** Draws the range, the selection and the crosshair; quiet leaves the last out. */
export function paintOverlay(v: Scene, canvas: HTMLCanvasElement, quiet: boolean): void {
  const c = v.context(canvas, true);
  const m = v.m;
  const s = v.scale;
  if (!c) return;
  c.clearRect(0, 0, v.width, v.height);
  if (!m || !s) return;
  const t = v.theme;
  const left = v.gutter;
  const top = v.lanesTop();

  c.save();
  c.beginPath();
  c.rect(left, mapHeight, v.width - left, v.height - mapHeight);
  c.clip();
  if (v.range) {
    const x0 = s.x(v.range.from);
    const x1 = s.x(v.range.to);
    c.fillStyle = t.accentWash;
    c.fillRect(left + x0, mapHeight, x1 - x0, v.height);
    c.fillStyle = t.accent;
    c.fillRect(left + x0, mapHeight, 1, v.height);
    c.fillRect(left + x1 - 1, mapHeight, 1, v.height);
  }
  c.beginPath();
  c.rect(left, top, v.width - left, v.height - top);
  c.clip();
  if (v.selected >= 0 && v.selected < m.n) paintSelected(v, c, s);
  c.restore();

  const strips = v.strips();
  const cursor = v.hover && v.hover.x >= left && !quiet ? v.hover.x : null;
  const time = cursor !== null ? s.time(cursor - left) : Math.min(m.now, s.last);
  strips.forEach((strip, k) => {
    if (left < 100 && cursor === null) return; // there is room for the name or the value
    const y = mapHeight + axisHeight + 3 + k * stripHeight + stripHeight / 2;
    c.font = `11px ${t.font}`;
    c.textBaseline = "middle";
    c.textAlign = "right";
    c.fillStyle = cursor !== null ? t.ink : t.muted;
    if (left < 100) {
      c.fillStyle = t.panel;
      c.fillRect(0, y - stripHeight / 2 + 2, left - 1, stripHeight - 5);
      c.fillStyle = t.ink;
    }
    c.fillText(strip.text(time), left - 8, y);
  });
  if (cursor !== null && v.hover!.y > mapHeight) {
    c.fillStyle = t.muted;
    c.fillRect(Math.round(cursor), mapHeight + axisHeight - 4, 1, v.height);
    const text = format.at(Math.max(0, time), s.perPixel);
    c.font = `11px ${t.font}`;
    const w = c.measureText(text).width + 12;
    const x = Math.min(v.width - w, Math.max(left, cursor - w / 2));
    c.fillStyle = t.ink;
    c.fillRect(x, mapHeight + 2, w, axisHeight - 5);
    c.fillStyle = t.panel;
    c.textAlign = "center";
    c.fillText(text, x + w / 2, mapHeight + axisHeight / 2);
  }
}

function paintSelected(v: Scene, c: CanvasRenderingContext2D, s: Scale): void {
  const m = v.m!;
  const t = v.theme;
  const i = v.selected;
  const row = v.layout.rows[v.layout.rowOfLane[m.lane[i]!] ?? -1];
  if (!row) return;
  const f = { c, m, theme: t, scale: s, left: v.gutter, colours: v.colours, hatch: null, dead: null };
  const attempts = m.attemptsOf(i);
  if (attempts.length > 1) paintJoins(f, [attempts], (lane) => v.laneMiddle(lane), t.accent, 1.5);
  const y = v.rowTop(row);
  if (!row.pinned) {
    // It goes under the pinned lanes as it is scrolled.
    c.beginPath();
    c.rect(v.gutter, v.lanesTop() + v.layout.pinned, v.width, v.height);
    c.clip();
  }
  const x0 = Math.max(-10, s.x(m.start[i]!));
  const x1 = Math.min(s.width + 10, s.x(m.endOf(i)));
  const queued = m.queued[i]!;
  if (queued < m.start[i]!) {
    // All of its wait, though others ran on the lane meanwhile.
    const q = Math.max(-10, s.x(queued));
    c.fillStyle = t.ink;
    c.fillRect(v.gutter + q, y + row.h - 3, x0 - q, 1.5);
    c.fillRect(v.gutter + q, y + row.h - 6, 1.5, 5);
  }
  const w = Math.max(4, x1 - x0);
  c.lineWidth = 2;
  c.strokeStyle = t.back;
  c.strokeRect(v.gutter + x0 - 3, y - 1, w + 5, row.h + 1);
  c.strokeStyle = t.accent;
  c.strokeRect(v.gutter + x0 - 2, y + 0.5, w + 3, row.h - 2);
}

/** Fills the box beside the pointer with what is under it, or hides it. */
export function fillTip(v: Scene, tip: HTMLElement, dragging: boolean): void {
  const s = v.scale;
  if (!s) return;
  const top = v.lanesTop();
  const m = v.m!;
  const h = v.hover;
  const span = h && !dragging ? v.hit(h.x, h.y) : -1;
  const mark = h && !dragging && h.y > mapHeight && h.y < mapHeight + axisHeight
    ? m.head.marks.find((k) => Math.abs(s.x(k.t) + v.gutter - h.x) < 5) : undefined;
  const row = h && !dragging && h.x < v.gutter ? v.rowUnder(h.y) : null;
  const lane = row?.kind === "slot" ? row : null;
  v.host.style.cursor = dragging ? "grabbing" : span >= 0 || lane || row?.foldable ? "pointer" : "";
  if (!h || (span < 0 && !mark && !lane)) {
    tip.hidden = true;
    return;
  }
  const line = (text: string, className: string): HTMLDivElement => {
    const div = document.createElement("div");
    div.className = className;
    div.textContent = text;
    return div;
  };
  if (lane) {
    tip.replaceChildren(line(lane.label, "tip-name"), line(lane.pinned ? "a click lets it go" : "a click keeps it in sight", "tip-line tip-dim"));
  } else if (mark) {
    tip.replaceChildren(line(mark.kind, "tip-name"), line(mark.text, "tip-line"));
  } else {
    const state = m.stateName(span);
    const wait = m.wait(span);
    const again = m.attempt[span]! > 1 ? ` · attempt ${m.attempt[span]}` : "";
    tip.replaceChildren(
      line(m.label(span), "tip-name"),
      line(`${isFailure(m.state[span]!) ? "✕ " : ""}${state} · ${format.duration(m.duration(span))}${again}`,
        isFailure(m.state[span]!) ? "tip-line tip-fail" : "tip-line"),
      line(`${m.taskName(span)} on ${m.laneName(m.lane[span]!)}${wait === wait && wait > 0 ? ` · waited ${format.duration(wait)}` : ""}`, "tip-line tip-dim"),
    );
  }
  tip.hidden = false;
  const w = tip.offsetWidth;
  const tall = tip.offsetHeight;
  const x = h.x + 14 + w > v.width ? h.x - w - 10 : h.x + 14;
  const y = Math.max(top > h.y ? 0 : 4, h.y + 16 + tall > v.height ? h.y - tall - 8 : h.y + 16);
  tip.style.transform = `translate(${Math.max(0, Math.round(x))}px, ${Math.round(y)}px)`;
}
