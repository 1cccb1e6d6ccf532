// A table of any length: only the rows on the screen exist.
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

export interface TableColumn {
  key: string;
  name: string;
  title?: string;
  className?: string;
  sortable?: boolean;
  cell: (row: number) => JSX.Element | string;
}

interface Props {
  label: string;
  columns: readonly TableColumn[];
  rows: Uint32Array;
  selected: number;
  onSelect: (row: number) => void;
  sort?: { key: string; down: boolean };
  onSort?: (key: string) => void;
  rowClass?: (row: number) => string;
  /** Changes when the cells have, though rows has not. */
  stamp: number;
}

const rowHeight = 24;
const headHeight = 26;
// Browsers cannot scroll over more pixels than some tens of millions; beyond this many,
// a pixel of the scroll bar stands for more than one of the table.
const tallest = 8_000_000;

export function Table(p: Props): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [height, setHeight] = useState(200);
  const [cursor, setCursor] = useState(0);
  const n = p.rows.length;
  const body = Math.max(1, height - headHeight);
  const real = n * rowHeight;
  const tall = Math.min(real, tallest);
  const ratio = tall > body && real > tall ? (real - body) / (tall - body) : 1;
  const first = Math.max(0, Math.min(n - 1, Math.floor((top * ratio) / rowHeight)));
  const shown = Math.min(n - first, Math.ceil(body / rowHeight) + 2);

  useLayoutEffect(() => {
    const el = box.current!;
    const observer = new ResizeObserver(() => setHeight(el.clientHeight));
    observer.observe(el);
    setHeight(el.clientHeight);
    return () => observer.disconnect();
  }, []);

  const reveal = (row: number): void => {
    const el = box.current;
    if (!el) return;
    const y = row * rowHeight;
    const at = el.scrollTop * ratio;
    if (y < at) el.scrollTop = y / ratio;
    else if (y + rowHeight > at + body) el.scrollTop = (y + rowHeight - body) / ratio;
  };

  // What is selected elsewhere is shown here.
  useEffect(() => {
    if (p.selected < 0) return;
    const k = p.rows.indexOf(p.selected);
    if (k >= 0 && k !== cursor) {
      setCursor(k);
      reveal(k);
    }
  }, [p.selected]);

  const onKeyDown = (e: KeyboardEvent): void => {
    const page = Math.max(1, Math.floor(body / rowHeight) - 1);
    const moves: Record<string, number> = {
      ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -n, End: n,
    };
    const by = moves[e.key];
    if (by !== undefined && n > 0) {
      const next = Math.max(0, Math.min(n - 1, cursor + by));
      setCursor(next);
      reveal(next);
    } else if ((e.key === "Enter" || e.key === " ") && n > 0) {
      p.onSelect(p.rows[Math.min(cursor, n - 1)]!);
    } else {
      return;
    }
    e.preventDefault();
    e.stopPropagation();
  };

  const offset = ratio === 1 ? first * rowHeight : top - ((top * ratio) % rowHeight);
  const list: JSX.Element[] = [];
  for (let k = first; k < first + shown; k++) {
    const row = p.rows[k]!;
    list.push(
      <div
        key={k} id={`${p.label}-${k}`} role="row" aria-rowindex={k + 2} aria-selected={row === p.selected}
        class={`tr${row === p.selected ? " on" : ""}${k === cursor ? " cursor" : ""} ${p.rowClass?.(row) ?? ""}`}
        style={{ transform: `translateY(${offset + (k - first) * rowHeight}px)` }}
        onClick={() => {
          setCursor(k);
          p.onSelect(row);
        }}
      >
        {p.columns.map((c) => (
          <div key={c.key} role="gridcell" class={`td ${c.className ?? ""}`}>{c.cell(row)}</div>
        ))}
      </div>,
    );
  }
  return (
    <div
      class="table" ref={box} role="grid" tabIndex={0} aria-label={p.label} aria-rowcount={n + 1}
      aria-activedescendant={n > 0 ? `${p.label}-${Math.min(cursor, n - 1)}` : undefined}
      onScroll={(e) => setTop(e.currentTarget.scrollTop)} onKeyDown={onKeyDown}
    >
      <div class="tr th" role="row" aria-rowindex={1}>
        {p.columns.map((c) => {
          const on = p.sort?.key === c.key;
          return (
            <div
              key={c.key} role="columnheader" class={`td ${c.className ?? ""}`} title={c.title}
              aria-sort={on ? (p.sort!.down ? "descending" : "ascending") : undefined}
            >
              {c.sortable && p.onSort ? (
                <button type="button" onClick={() => p.onSort!(c.key)}>
                  {c.name}<span class="arrow" aria-hidden="true">{on ? (p.sort!.down ? "▾" : "▴") : ""}</span>
                </button>
              ) : c.name}
            </div>
          );
        })}
      </div>
      <div class="tbody" role="rowgroup" style={{ height: tall + "px" }}>{list}</div>
    </div>
  );
}
