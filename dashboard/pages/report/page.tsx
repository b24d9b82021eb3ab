import './page.css';
import { useRead } from '../../api/client.ts';
import { TextField } from '../../parts/fields.tsx';
import { useListState } from '../../parts/list-state.ts';
import { EmptyState, Loaded } from '../../parts/states.tsx';
import { useFormats } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';
import { useCan } from '../../shell/session.tsx';
import { CurrencyFigures } from './currency.tsx';

/** The figures of a month, by currency, and its rows as CSV. */
export default function Page() {
  const t = useText();
  const can = useCan();
  return (
    <>
      <h1>{t('page-report')}</h1>
      {can('admin') ? <Report /> : <EmptyState text={t('error-forbidden')} />}
    </>
  );
}

/** A month of the API. A browser without month fields sends any text. */
const isMonth = (text: string): boolean => /^\d{4}-(0[1-9]|1[0-2])$/.test(text);

function Report() {
  const t = useText();
  const { time } = useFormats();
  const list = useListState(['month']);
  const given = list.get('month');
  const query = isMonth(given) ? { month: given } : {};
  const report = useRead('/v1/report', { query }, { isOnce: true, keepsPrevious: true });
  return (
    <>
      <div class="filters">
        <TextField
          type="month"
          label={t('report-month')}
          value={isMonth(given) ? given : (report.data?.month ?? '')}
          onChange={(month) => list.set({ month: isMonth(month) ? month : '' })}
        />
        <button type="button" disabled={report.isFetching} onClick={() => void report.refetch()}>
          {report.isFetching ? t('working') : t('report-again')}
        </button>
      </div>
      <Loaded read={report}>
        {({ month, complete, now, currencies }) => (
          <>
            <p>{t(complete ? 'report-complete' : 'report-partial', { month, now: time(now) })}</p>
            <Downloads month={month} />
            {currencies.length === 0 && <EmptyState text={t('report-empty')} />}
            {currencies.map((figures) => (
              <CurrencyFigures key={figures.currency} figures={figures} />
            ))}
          </>
        )}
      </Loaded>
    </>
  );
}

function Downloads({ month }: { readonly month: string }) {
  const t = useText();
  return (
    <p class="downloads">
      {(['ledger', 'periods'] as const).map((file) => (
        <a key={file} href={`/v1/report/${file}?month=${month}`} download>
          {t(`report-csv-${file}`)}
        </a>
      ))}
    </p>
  );
}
