import { dayMs, hourMs, type Instant, isoTime, minuteMs, secondMs } from '../../kernel/instant.ts';

// Times for a person. Each one has its distance from now, or its zone.

/** `2026-11-24 09:00Z`: the Z names the zone, UTC. */
export const formatMinute = (value: unknown): string =>
  `${String(value ?? '-')
    .slice(0, 16)
    .replace('T', ' ')}Z`;

const units = [
  ['d', dayMs],
  ['h', hourMs],
  ['min', minuteMs],
  ['s', secondMs],
] as const;

/** `3 min`, `2 h`, `4 d`: whole units from 1 on, of at most 119 min and 47 h. */
export function formatSpan(ms: number): string {
  for (const [unit, unitMs] of units) {
    const least = unit === 'd' || unit === 'h' ? 2 : 1;
    if (ms >= least * unitMs) return `${Math.floor(ms / unitMs).toLocaleString('en')} ${unit}`;
  }
  return `${Math.max(0, Math.round(ms))} ms`;
}

/** `3 min ago`, `in 50 min`, `now`. */
export function formatAge(at: Instant, now: Instant): string {
  const ms = now - at;
  if (Math.abs(ms) < secondMs) return 'now';
  return ms > 0 ? `${formatSpan(ms)} ago` : `in ${formatSpan(-ms)}`;
}

/** `2026-11-24 09:00Z (3 min ago)` */
export const formatTimeAndAge = (at: Instant, now: Instant): string =>
  `${formatMinute(isoTime(at))} (${formatAge(at, now)})`;
