import { Link } from 'wouter';
import { type ChangeAnswer, usePreview } from '../api/client.ts';
import { type Translate, useHasText, useText } from '../shell/language.tsx';
import { Loaded } from './states.tsx';
import { Money } from './values.tsx';

// The decisions that a run of a worker would make now. Nothing is changed.

const path = '/v1/workers/{name}/preview';

type RunPreviewAnswer = ChangeAnswer<typeof path>;
type Outcome = RunPreviewAnswer['outcomes'][number];

/** @param first these outcomes come first, like those that a guard holds */
export function RunPreview({ worker, first }: { worker: string; first?: readonly string[] }) {
  const t = useText();
  const preview = usePreview(path, { path: { name: worker } });
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard scrolls the decisions
    <section class="run-preview" tabIndex={0} aria-label={t('preview-outcomes')}>
      <Loaded read={preview}>{(data) => <Decisions preview={data} first={first ?? []} />}</Loaded>
    </section>
  );
}

const describeOutcome = (t: Translate, hasText: (id: string) => boolean, outcome: string) =>
  hasText(`preview-outcome-${outcome}`) ? t(`preview-outcome-${outcome}`) : outcome;

function Decisions(props: {
  readonly preview: RunPreviewAnswer;
  readonly first: readonly string[];
}) {
  const t = useText();
  const hasText = useHasText();
  const { preview, first } = props;
  const isFirst = ({ outcome }: { readonly outcome: string }) => first.includes(outcome);
  const order = <Item extends { readonly outcome: string }>(items: readonly Item[]) =>
    items.toSorted((one, other) => Number(isFirst(other)) - Number(isFirst(one)));
  if (preview.outcomes.length === 0) return <p>{t('preview-empty')}</p>;
  return (
    <>
      {!preview.complete && <p>{t('preview-incomplete')}</p>}
      <table>
        <caption>{t('preview-outcomes')}</caption>
        <thead>
          <tr>
            <th scope="col">{t('preview-outcome')}</th>
            <th scope="col" class="number">
              {t('preview-count')}
            </th>
            <th scope="col" class="number">
              {t('preview-amount')}
            </th>
          </tr>
        </thead>
        <tbody>
          {order(preview.outcomes).map((row) => (
            <OutcomeRow
              key={row.outcome}
              row={row}
              name={describeOutcome(t, hasText, row.outcome)}
            />
          ))}
        </tbody>
      </table>
      <details>
        <summary>{t('preview-sample', { count: preview.sample.length })}</summary>
        <ul>
          {order(preview.sample).map((item, index) => (
            <li key={`${item.subscription_id}/${index}`}>
              {item.telegram_id !== null && (
                <Link href={`/customers/${item.telegram_id}`}>{item.telegram_id}</Link>
              )}{' '}
              {item.sentence}
            </li>
          ))}
        </ul>
      </details>
    </>
  );
}

function OutcomeRow({ row, name }: { readonly row: Outcome; readonly name: string }) {
  return (
    <tr>
      <td>{name}</td>
      <td class="number">{row.count}</td>
      <td class="number">
        {row.amounts.map(({ amount, currency }) => (
          <div key={currency}>
            <Money amount={amount} currency={currency} />
          </div>
        ))}
      </td>
    </tr>
  );
}
