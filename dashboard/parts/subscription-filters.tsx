import { useRead } from '../api/client.ts';
import { useText } from '../shell/language.tsx';
import { SelectField, TextField } from './fields.tsx';
import type { ListState } from './list-state.ts';
import { fromLocalTime, toLocalTime } from './local-time.ts';
import { usePlans } from './plans.ts';

// The filters of customers, of subscriptions and of bulk jobs.

/** The names are those of the API and of the command line. */
export const filterNames = [
  'state',
  'kind',
  'plan',
  'node_group',
  'ends_after',
  'ends_before',
  'auto_renew',
  'short',
  'tried',
  'unreachable',
  'blocked',
] as const;

/** Filters that most lists do without. */
const rareNames = ['kind', 'node_group', 'auto_renew', 'tried', 'unreachable', 'blocked'] as const;

/** The conditions in the address. */
export const readFilter = (list: ListState): Readonly<Record<string, string>> =>
  Object.fromEntries(
    filterNames.map((name) => [name, list.get(name)] as const).filter(([, value]) => value !== ''),
  );

export function SubscriptionFilters({ list }: { readonly list: ListState }) {
  const t = useText();
  const plans = usePlans();
  const hasFilter = Object.keys(readFilter(list)).length > 0;
  const choose = (name: string, options: readonly (readonly [string, string])[]) => (
    <ChoiceFilter list={list} name={name} options={options} />
  );
  const yesOrNo = [
    ['yes', t('yes')],
    ['no', t('no')],
  ] as const;
  return (
    <form class="filters" onSubmit={(event) => event.preventDefault()}>
      {choose(
        'state',
        ['active', 'expired', 'revoked'].map((state) => [state, t(`state-${state}`)]),
      )}
      {choose('plan', plans.options)}
      <EndsWithinFilter list={list} />
      {choose('short', yesOrNo)}
      <button
        type="button"
        disabled={!hasFilter}
        onClick={() => list.set(Object.fromEntries(filterNames.map((name) => [name, ''])))}
      >
        {t('clear-filters')}
      </button>
      <details class="more" open={rareNames.some((name) => list.get(name) !== '')}>
        <summary>{t('more-filters')}</summary>
        <div class="filters">
          {choose(
            'kind',
            ['trial', 'paid'].map((kind) => [kind, t(`kind-${kind}`)]),
          )}
          <TimeFilter list={list} name="ends_after" />
          <TimeFilter list={list} name="ends_before" />
          {choose('auto_renew', yesOrNo)}
          {choose(
            'node_group',
            plans.groups.map((group) => [group, group]),
          )}
          {choose('tried', yesOrNo)}
          {choose('unreachable', yesOrNo)}
          {choose('blocked', yesOrNo)}
        </div>
      </details>
    </form>
  );
}

interface FilterProps {
  readonly list: ListState;
  readonly name: string;
}

/** A value that is no option, like a plan that is not on sale any more, stays selected. */
export function ChoiceFilter(
  props: FilterProps & { readonly options: readonly (readonly [string, string])[] },
) {
  const t = useText();
  const { list, name, options } = props;
  const value = list.get(name);
  const isKnown = value === '' || options.some(([option]) => option === value);
  return (
    <SelectField
      label={t(`filter-${name}`)}
      value={value}
      options={[['', t('any')], ...options, ...(isKnown ? [] : ([[value, value]] as const))]}
      onChange={(chosen) => list.set({ [name]: chosen })}
    />
  );
}

function TimeFilter({ list, name }: FilterProps) {
  const t = useText();
  return (
    <TextField
      type="datetime-local"
      label={t(`filter-${name}`)}
      value={toLocalTime(list.get(name))}
      onChange={(local) => {
        const time = fromLocalTime(local);
        if (time !== '' || local === '') list.set({ [name]: time });
      }}
    />
  );
}

const hourMs = 3_600_000;
const withinHours = [24, 72, 168, 720] as const;

/** Sets both ends of a range that begins now. So pages and bulk jobs have a fixed range. */
function EndsWithinFilter({ list }: { readonly list: ListState }) {
  const t = useText();
  const clock = useRead('/v1/clock', {}, { enabled: false });
  const lengthMs = Date.parse(list.get('ends_before')) - Date.parse(list.get('ends_after'));
  const present = withinHours.find((hours) => hours * hourMs === lengthMs);
  return (
    <SelectField
      label={t('filter-within')}
      value={present === undefined ? '' : String(present)}
      options={[
        ['', t('any')],
        ...withinHours.map((hours) => [String(hours), t('days', { count: hours / 24 })] as const),
      ]}
      onChange={async (chosen) => {
        if (chosen === '') return list.set({ ends_after: '', ends_before: '' });
        // The time of the database: the clock of the browser may be wrong.
        const now = (await clock.refetch()).data?.now ?? new Date().toISOString();
        const before = new Date(Date.parse(now) + Number(chosen) * hourMs);
        list.set({ ends_after: now, ends_before: before.toISOString() });
      }}
    />
  );
}
