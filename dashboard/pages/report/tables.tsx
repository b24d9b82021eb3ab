import type { ComponentChildren } from 'preact';
import { Table } from '../../parts/table.tsx';
import { Money, useFormats } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';
import type { CurrencyReport } from './currency.tsx';

interface BridgeProps<Value> {
  readonly title: string;
  /** The prefix of the texts of its lines. */
  readonly id: string;
  readonly lines: Readonly<Record<string, Value>>;
  show(value: Value): ComponentChildren;
}

/** Lines that add up from the start to the end. */
export function Bridge<Value>({ title, id, lines, show }: BridgeProps<Value>) {
  const t = useText();
  return (
    <section class="panel">
      <h3>{title}</h3>
      <table>
        <caption>{title}</caption>
        <tbody>
          {Object.entries(lines).map(([name, value]) => (
            <tr key={name} class={name === 'start' || name === 'end' ? 'total' : undefined}>
              <th scope="row">{t(`report-${id}-${name}`)}</th>
              <td class="number">{show(value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

export function ProviderTable({ figures }: { readonly figures: CurrencyReport }) {
  const t = useText();
  const { count } = useFormats();
  const { currency, collected } = figures;
  return (
    <>
      <h3>{t('report-providers')}</h3>
      <Table
        caption={`${t('report-providers')}, ${currency}`}
        rows={collected.providers}
        keyOf={({ provider }) => provider ?? ''}
        empty={t('report-no-payments')}
        columns={[
          {
            id: 'provider',
            title: t('report-provider'),
            cell: ({ provider }) => provider ?? t('report-no-provider'),
          },
          {
            id: 'count',
            title: t('report-payments'),
            isNumber: true,
            cell: (row) => count(row.count),
          },
          {
            id: 'amount',
            title: t('report-amount'),
            isNumber: true,
            cell: ({ amount }) => <Money amount={amount} currency={currency} />,
          },
        ]}
      />
    </>
  );
}

export function CohortTable({ figures }: { readonly figures: CurrencyReport }) {
  const t = useText();
  const { count } = useFormats();
  const { currency, cohorts } = figures;
  const moneyColumn = (id: 'charged' | 'mrr') => ({
    id,
    title: t(`report-cohort-${id}`),
    isNumber: true,
    cell: (row: CurrencyReport['cohorts'][number]) => (
      <Money amount={row[id]} currency={currency} />
    ),
  });
  const countColumn = (id: 'customers' | 'paying') => ({
    id,
    title: t(`report-cohort-${id}`),
    isNumber: true,
    cell: (row: CurrencyReport['cohorts'][number]) => count(row[id]),
  });
  return (
    <>
      <h3>{t('report-cohorts')}</h3>
      <Table
        caption={`${t('report-cohorts')}, ${currency}`}
        rows={cohorts}
        keyOf={({ month }) => month}
        empty={t('report-no-cohorts')}
        columns={[
          { id: 'month', title: t('report-cohort-month'), cell: ({ month }) => month },
          countColumn('customers'),
          countColumn('paying'),
          moneyColumn('charged'),
          moneyColumn('mrr'),
        ]}
      />
    </>
  );
}
