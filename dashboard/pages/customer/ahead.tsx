import { useState } from 'preact/hooks';
import type { Answer } from '../../api/client.ts';
import { usePlans } from '../../parts/plans.ts';
import { Money, Time, useFormats } from '../../parts/values.tsx';
import { useHasText, useText } from '../../shell/language.tsx';
import { isCovered, isQuiet } from './next-charge.tsx';
import { useReasonText } from './reasons.ts';

// The future of a customer, the latest moment first, so that it ends at the present.

type AheadItem = Answer<'/v1/customers/{telegram_id}/ahead'>['items'][number];

interface AheadProps {
  readonly items: readonly AheadItem[];
  readonly now: string;
  readonly currency: string;
}

/** The moments that a person sees without a question. */
const nearMax = 6;

export function AheadMoments({ items, now, currency }: AheadProps) {
  const t = useText();
  const [isWhole, setWhole] = useState(false);
  const shown = (isWhole ? items : items.slice(0, nearMax)).toReversed();
  if (items.length === 0) return <p class="quiet">{t('customer-ahead-empty')}</p>;
  return (
    <>
      {items.length > nearMax && (
        <button type="button" aria-expanded={isWhole} onClick={() => setWhole(!isWhole)}>
          {isWhole ? t('customer-ahead-less') : t('customer-ahead-more', { count: items.length })}
        </button>
      )}
      <ol class="moments ahead" aria-label={t('customer-ahead')}>
        {shown.map((item) => (
          <AheadMoment
            key={`${item.kind} ${item.subscription_id} ${item.notice}`}
            item={item}
            now={now}
            currency={currency}
          />
        ))}
      </ol>
    </>
  );
}

/** An end is one thing if the charge before it moves it, and another one if nothing is paid. */
function toTitleId({ kind, reason }: AheadItem): string {
  if (kind !== 'end' || reason === null || isQuiet(reason.code) || reason.code === 'blocked')
    return `customer-ahead-${kind}`;
  return isCovered(reason.code) ? 'customer-ahead-end-moves' : 'customer-ahead-end-unpaid';
}

function AheadMoment(props: {
  readonly item: AheadItem;
  readonly now: string;
  readonly currency: string;
}) {
  const t = useText();
  const hasText = useHasText();
  const describe = useReasonText();
  const { relative } = useFormats();
  const { titleOf } = usePlans();
  const { item, now, currency } = props;
  const { at, kind, amount, missing, notice, reason, plan } = item;
  const id = String(item.subscription_id);
  const isShort = missing !== null && Number(missing) > 0;
  const isMoved = reason !== null && isCovered(reason.code);
  const effect = kind === 'charge' ? 'money' : kind === 'end' && !isMoved ? 'loss' : 'notice';
  return (
    <li class={`moment is-${effect}`}>
      <p class="at">
        <Time at={at} /> <small>{relative(at, Date.parse(now))}</small>
      </p>
      <div>
        <p>
          <strong>
            {kind === 'reminder' && notice !== null
              ? t('customer-ahead-reminder', {
                  notice: hasText(`messages-kind-${notice}`)
                    ? t(`messages-kind-${notice}`)
                    : notice,
                })
              : t(toTitleId(item))}
          </strong>{' '}
          {amount !== null && <Money amount={amount} currency={currency} />}
          {isShort && (
            <>
              , {t('customer-missing')} <Money amount={missing} currency={currency} />
            </>
          )}
        </p>
        <p>
          <small>
            {titleOf(plan)}, {t('customer-subscription', { id })}
            {kind === 'charge' && reason !== null && `. ${describe('charge', reason)}`}
          </small>
        </p>
      </div>
    </li>
  );
}
