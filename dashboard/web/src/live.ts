// News of a running run: one stream a tab, closed while nobody looks.
import type { Delta } from "./model";

export type Connection = "none" | "connecting" | "live" | "lost" | "hidden";

export interface Listener {
  seq(): number; // what the page knows already
  delta(d: Delta): void;
  resync(): Promise<void>; // fetch the snapshot again
  over(): boolean; // there will be no more news
  connection(c: Connection): void;
}

const firstWait = 500; // ms
const longestWait = 5000;

/**
 * Follows the run from where the page stands. When the connection breaks it is made again,
 * at growing intervals, for as long as the page is open.
 */
export class Live {
  private stream: EventSource | null = null;
  private timer = 0;
  private wait = firstWait;
  private stopped = true;
  private resyncing = false;
  private readonly visibility = (): void => this.look();

  constructor(private readonly to: Listener) {}

  start(): void {
    if (!this.stopped) return;
    this.stopped = false;
    document.addEventListener("visibilitychange", this.visibility);
    this.look();
  }

  /** Ends it: the run is over. */
  stop(): void {
    this.stopped = true;
    document.removeEventListener("visibilitychange", this.visibility);
    this.close();
    this.to.connection("none");
  }

  private look(): void {
    if (this.stopped) return;
    if (document.hidden) {
      this.close();
      this.to.connection("hidden");
    } else if (!this.stream && !this.timer) {
      this.open();
    }
  }

  private close(): void {
    window.clearTimeout(this.timer);
    this.timer = 0;
    this.stream?.close();
    this.stream = null;
  }

  private open(): void {
    this.close();
    this.to.connection("connecting");
    const stream = new EventSource(`/api/events?from=${this.to.seq()}`);
    this.stream = stream;
    stream.onopen = () => {
      this.wait = firstWait;
      this.to.connection("live");
    };
    stream.addEventListener("delta", (e) => {
      if (this.resyncing || this.stream !== stream) return;
      this.to.delta(JSON.parse((e as MessageEvent<string>).data) as Delta);
    });
    stream.addEventListener("resync", () => {
      if (this.stream === stream) void this.resync();
    });
    stream.onerror = () => {
      // The browser would go on with the first address; ours says where we are now.
      if (this.stream !== stream) return;
      this.close();
      this.again();
    };
  }

  private again(): void {
    if (this.stopped || document.hidden) return;
    this.to.connection("lost");
    this.timer = window.setTimeout(() => {
      this.timer = 0;
      this.open();
    }, this.wait);
    this.wait = Math.min(longestWait, this.wait * 2);
  }

  /** Fetches everything again, then goes on from there. */
  async resync(): Promise<void> {
    if (this.resyncing) return;
    this.resyncing = true;
    this.close();
    try {
      await this.to.resync();
    } catch {
      this.resyncing = false;
      this.again();
      return;
    }
    this.resyncing = false;
    if (this.to.over()) this.stop();
    else if (!this.stopped) this.look();
  }
}
