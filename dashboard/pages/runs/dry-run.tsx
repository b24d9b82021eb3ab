import { Link } from 'wouter';
import { type ChangeAnswer, usePreview } from '../../api/client.ts';
import { Loaded } from '../../parts/states.tsx';
import { Money, useFormats } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';

type DryRunAnswer = ChangeAnswer<'/v1/workers/{name}/preview'>;

/** The decisions that a run would make now. Nothing is changed. */
export function DryRun({ worker }: { readonly worker: string }) {
  const preview = usePreview('/v1/workers/{name}/preview', { path: { name: worker } });
  return <Loaded read={preview}>{(answer) => <Result answer={answer} />}</Loaded>;
}

function Result({ answer }: { readonly answer: DryRunAnswer }) {
  const t = useText();
  const { complete, outcomes, sample } = answer;
  if (outcomes.length === 0) return <p>{t('runs-nothing')}</p>;
  const total = outcomes.reduce((sum, { count }) => sum + count, 0);
  return (
    <>
      <h3>{t('runs-decisions')}</h3>
      {!complete && <p class="alert">{t('runs-incomplete')}</p>}
      <Outcomes outcomes={outcomes} />
      {sample.length < total && <p>{t('runs-first', { count: sample.length })}</p>}
      <ul class="sample">
        {sample.map((item) => (
          <li key={`${item.subscription_id} ${item.node_id} ${item.subject} ${item.sentence}`}>
            {item.telegram_id !== null && (
              <Link href={`/customers/${item.telegram_id}`}>{item.telegram_id}</Link>
            )}{' '}
            {item.node_id ?? item.subject ?? ''} {item.sentence}
          </li>
        ))}
      </ul>
    </>
  );
}

function Outcomes({ outcomes }: Pick<DryRunAnswer, 'outcomes'>) {
  const t = useText();
  const { count } = useFormats();
  return (
    <table>
      <caption>{t('runs-decisions')}</caption>
      <thead>
        <tr>
          <th scope="col">{t('runs-decision')}</th>
          <th scope="col" class="number">
            {t('runs-count')}
          </th>
          <th scope="col" class="number">
            {t('runs-amount')}
          </th>
        </tr>
      </thead>
      <tbody>
        {outcomes.map(({ outcome, count: items, amounts }) => (
          <tr key={outcome}>
            <th scope="row">{outcome}</th>
            <td class="number">{count(items)}</td>
            <td class="number">
              {amounts.length === 0
                ? '–'
                : amounts.map(({ currency, amount }) => (
                    <div key={currency}>
                      <Money amount={amount} currency={currency} />
                    </div>
                  ))}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
