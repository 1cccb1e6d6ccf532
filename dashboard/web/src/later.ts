// Work that a first look need not wait for.
import { useEffect, useRef, useState } from "preact/hooks";

/**
 * The value of make, made after what is on the screen has been drawn; the one before until
 * then, null at first. It is made anew when inputs change.
 */
export function useLater<T>(make: () => T, inputs: readonly unknown[]): T | null {
  const [value, setValue] = useState<{ is: T } | null>(null);
  useEffect(() => {
    let timer = 0;
    const frame = requestAnimationFrame(() => {
      timer = window.setTimeout(() => setValue({ is: make() }), 0);
    });
    return () => {
      cancelAnimationFrame(frame);
      window.clearTimeout(timer);
    };
  }, inputs as unknown[]);
  return value?.is ?? null;
}

/** A value that changes at most once in so many ms, and ends up the same as the one given. */
export function useSlowly<T>(value: T, ms: number): T {
  const [shown, setShown] = useState(value);
  const changed = useRef(-Infinity);
  useEffect(() => {
    if (value === shown) return;
    const timer = window.setTimeout(() => {
      changed.current = performance.now();
      setShown(value);
    }, Math.max(0, changed.current + ms - performance.now()));
    return () => window.clearTimeout(timer);
  }, [value, shown]);
  return shown;
}
