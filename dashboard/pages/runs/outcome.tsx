import type { ItemOf } from '../../api/client.ts';
import { Badge, type Tone } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';

export type Run = ItemOf<'/v1/runs'>;
export type RunOutcome = Run['outcome'];

/** Each outcome with its colour. */
export const outcomeTones: Readonly<Record<RunOutcome, Tone>> = {
  running: 'neutral',
  success: 'good',
  partial: 'good',
  skipped: 'warning',
  degraded: 'warning',
  failed: 'bad',
  lost: 'bad',
};

export const runOutcomes = Object.keys(outcomeTones) as readonly RunOutcome[];

export function OutcomeBadge({ outcome }: { readonly outcome: RunOutcome }) {
  const t = useText();
  return <Badge tone={outcomeTones[outcome]} text={t(`runs-outcome-${outcome}`)} />;
}
