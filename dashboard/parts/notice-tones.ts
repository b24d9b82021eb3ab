import type { ItemOf } from '../api/client.ts';
import type { Tone } from './values.tsx';

/** The tone of each state of a notification. */
export const noticeTones: Readonly<Record<ItemOf<'/v1/notices'>['state'], Tone>> = {
  pending: 'neutral',
  sending: 'neutral',
  sent: 'good',
  uncertain: 'warning',
  suppressed: 'neutral',
  failed: 'bad',
};
