// What a person does to the timeline with a pointer: a mouse, a pen, or fingers.
import { axisHeight, mapHeight, type View } from "./scene";
import type { Timeline } from "./timeline";

interface Drag {
  kind: "pan" | "range" | "brush" | "from" | "to" | "new";
  x: number;
  y: number;
  view: View;
  scroll: number;
  moved: boolean;
  quiet: boolean; // no crosshair meanwhile
}

export class Gestures {
  drag: Drag | null = null;
  private readonly touches = new Map<number, { x: number; y: number }>();
  private pinch: { distance: number; place: number } | null = null;

  constructor(private readonly tl: Timeline) {
    const at = (e: MouseEvent): { x: number; y: number } => {
      const box = tl.host.getBoundingClientRect();
      return { x: e.clientX - box.left, y: e.clientY - box.top };
    };
    const h = tl.host;
    h.addEventListener("wheel", (e) => this.wheel(e, at(e)), { passive: false });
    h.addEventListener("pointerdown", (e) => this.down(e, at(e)));
    h.addEventListener("pointermove", (e) => this.move(e, at(e)));
    h.addEventListener("pointerup", (e) => this.up(e, at(e)));
    h.addEventListener("pointercancel", (e) => this.cancel(e));
    h.addEventListener("pointerleave", () => {
      if (this.drag) return;
      this.tl.hover = null;
      this.tl.paintOverSoon();
    });
    h.addEventListener("dblclick", (e) => {
      const p = at(e);
      const span = this.tl.hit(p.x, p.y);
      if (span >= 0 && this.tl.m) {
        this.tl.unfollow();
        this.tl.fitTime(this.tl.m.start[span]!, this.tl.m.endOf(span));
      } else if (p.y < mapHeight || p.y < this.tl.lanesTop()) {
        this.tl.fitAll();
      }
    });
  }

  private wheel(e: WheelEvent, p: { x: number; y: number }): void {
    e.preventDefault();
    const unit = e.deltaMode === 1 ? 16 : e.deltaMode === 2 ? 400 : 1;
    const dx = (e.shiftKey && e.deltaX === 0 ? e.deltaY : e.deltaX) * unit;
    const dy = (e.shiftKey ? 0 : e.deltaY) * unit;
    if (e.ctrlKey || e.metaKey || (p.y < this.tl.lanesTop() && Math.abs(dy) > Math.abs(dx))) {
      this.tl.zoom(Math.exp(Math.max(-60, Math.min(60, dy)) * 0.006), Math.max(0, p.x - this.tl.gutter));
      return;
    }
    if (Math.abs(dx) > Math.abs(dy)) this.tl.pan(dx / this.tl.plot);
    if (dy !== 0) this.tl.scrollBy(dy);
  }

  private down(e: PointerEvent, p: { x: number; y: number }): void {
    if (e.button !== 0) return;
    this.touches.set(e.pointerId, p);
    this.tl.host.setPointerCapture(e.pointerId);
    if (this.touches.size === 2) {
      const [a, b] = [...this.touches.values()];
      this.pinch = { distance: Math.abs(a!.x - b!.x), place: this.placeAt((a!.x + b!.x) / 2) };
      this.drag = null;
      return;
    }
    const [a, b] = this.tl.brush();
    let kind: Drag["kind"] = "pan";
    if (p.y < mapHeight && p.x >= this.tl.gutter - 4) {
      kind = Math.abs(p.x - a) < 6 ? "from" : Math.abs(p.x - b) < 6 ? "to" : p.x > a && p.x < b ? "brush" : "new";
    } else if (e.shiftKey || (p.y < mapHeight + axisHeight && p.x >= this.tl.gutter)) {
      kind = "range";
    }
    this.drag = { kind, x: p.x, y: p.y, view: this.tl.view, scroll: this.tl.scroll, moved: false, quiet: kind !== "range" };
  }

  private placeAt(x: number): number {
    return this.tl.view.from + ((x - this.tl.gutter) / this.tl.plot) * (this.tl.view.to - this.tl.view.from);
  }

  private move(e: PointerEvent, p: { x: number; y: number }): void {
    if (this.touches.has(e.pointerId)) this.touches.set(e.pointerId, p);
    if (this.pinch && this.touches.size === 2) {
      const [a, b] = [...this.touches.values()];
      const distance = Math.max(8, Math.abs(a!.x - b!.x));
      const length = (this.tl.view.to - this.tl.view.from) * (this.pinch.distance / distance);
      const share = ((a!.x + b!.x) / 2 - this.tl.gutter) / this.tl.plot;
      this.pinch.distance = distance;
      this.tl.unfollow();
      this.tl.go({ from: this.pinch.place - share * length, to: this.pinch.place + (1 - share) * length }, this.tl.coalesce());
      return;
    }
    this.tl.hover = p;
    const d = this.drag;
    if (!d) {
      this.tl.paintOverSoon();
      return;
    }
    if (!d.moved && Math.hypot(p.x - d.x, p.y - d.y) < 4) return;
    if (!d.moved) {
      d.moved = true;
      if (d.kind !== "range") {
        this.tl.remember();
        this.tl.unfollow();
      }
    }
    const perPixel = (d.view.to - d.view.from) / this.tl.plot;
    const whole = this.tl.whole();
    const perMap = whole.to / this.tl.plot;
    const dx = p.x - d.x;
    switch (d.kind) {
      case "pan":
        this.tl.scroll = d.scroll - (p.y - d.y);
        this.tl.clampScroll();
        this.tl.go({ from: d.view.from - dx * perPixel, to: d.view.to - dx * perPixel }, false);
        break;
      case "brush":
        this.tl.go({ from: d.view.from + dx * perMap, to: d.view.to + dx * perMap }, false);
        break;
      case "from":
        this.tl.go({ from: Math.min(d.view.from + dx * perMap, d.view.to - 2), to: d.view.to }, false);
        break;
      case "to":
        this.tl.go({ from: d.view.from, to: Math.max(d.view.to + dx * perMap, d.view.from + 2) }, false);
        break;
      case "new": {
        const from = (Math.min(p.x, d.x) - this.tl.gutter) * perMap;
        const to = (Math.max(p.x, d.x) - this.tl.gutter) * perMap;
        this.tl.go({ from, to }, false);
        break;
      }
      case "range": {
        const a = this.tl.warp.time(this.placeAt(Math.min(p.x, d.x)));
        const b = this.tl.warp.time(this.placeAt(Math.max(p.x, d.x)));
        this.tl.range = { from: a, to: b };
        this.tl.paintOverSoon();
        break;
      }
    }
  }

  private up(e: PointerEvent, p: { x: number; y: number }): void {
    this.touches.delete(e.pointerId);
    if (this.pinch) {
      if (this.touches.size === 0) this.pinch = null;
      return;
    }
    const d = this.drag;
    this.drag = null;
    if (!d) return;
    if (d.moved) {
      if (d.kind === "range") this.tl.events.range(this.tl.range);
      this.tl.paintOverSoon();
      return;
    }
    if (d.kind === "new" || d.kind === "brush") {
      if (d.kind === "new") {
        const length = this.tl.view.to - this.tl.view.from;
        const at = ((p.x - this.tl.gutter) / this.tl.plot) * this.tl.whole().to;
        this.tl.unfollow();
        this.tl.go({ from: at - length / 2, to: at + length / 2 });
      }
      return;
    }
    const row = p.x < this.tl.gutter ? this.tl.rowUnder(p.y) : null;
    if (row?.foldable) {
      this.tl.fold(row.key, !row.closed);
      return;
    }
    if (row?.kind === "slot") {
      this.tl.events.pin(row.lane);
      return;
    }
    const span = this.tl.hit(p.x, p.y);
    this.tl.selected = span;
    if (this.tl.range) this.tl.selectRange(null);
    this.tl.events.select(span);
    this.tl.redraw();
  }

  private cancel(e: PointerEvent): void {
    this.touches.delete(e.pointerId);
    this.drag = null;
    this.pinch = null;
  }
}
