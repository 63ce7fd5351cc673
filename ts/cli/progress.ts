import type { SingleBar } from 'cli-progress';

/** Shows how far a long command has come. Every method may be called at any time. */
export interface Progress {
  /** Tells how many of the total are done. */
  update(done: number): void;
  /** Removes the bar. */
  stop(): void;
}

export const NO_PROGRESS: Progress = { update: () => {}, stop: () => {} };

/** `h:mm:ss` or `m:ss`. */
function clock(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const tail = `${String(whole % 60).padStart(2, '0')}`;
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${tail}` : `${minutes}:${tail}`;
}

/** A count with its thousands apart. */
export function grouped(count: number): string {
  return Math.round(count).toLocaleString('en-US');
}

/**
 * A bar on standard error with rate and time left; without a total, a count with its rate.
 *
 * @param label what is being done
 * @param total how many there will be, if that is known
 * @param unit what is counted
 */
export async function showProgress(label: string, total: number | undefined, unit: string): Promise<Progress> {
  const { SingleBar: Bar, Presets } = await import('cli-progress');
  const known = total !== undefined && total > 0;
  const format = known
    ? `${label} [{bar}] {percentage}% | {count} of {all} ${unit} | {rate}/s | {left} left`
    : `${label} {count} ${unit} | {rate}/s`;
  const bar: SingleBar = new Bar(
    { format, stream: process.stderr, clearOnComplete: true, hideCursor: true, fps: 10, etaBuffer: 1, barsize: 24 },
    Presets.legacy,
  );
  const startedAt = performance.now();
  const facts = (done: number): object => {
    const rate = (done * 1000) / Math.max(1, performance.now() - startedAt);
    const left = known && rate > 0 ? clock((total - done) / rate) : '-:--';
    return { count: grouped(done), all: grouped(total ?? 0), rate: grouped(rate), left };
  };
  bar.start(total ?? 0, 0, facts(0));
  let stopped = false;
  return {
    update: (done) => {
      if (!stopped) bar.update(Math.min(done, total ?? done), facts(done));
    },
    stop: () => {
      if (!stopped) bar.stop();
      stopped = true;
    },
  };
}
