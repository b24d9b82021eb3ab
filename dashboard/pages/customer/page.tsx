import './page.css';
import { Link, useParams } from 'wouter';
import { type Answer, useRead } from '../../api/client.ts';
import { useListState } from '../../parts/list-state.ts';
import { Loaded } from '../../parts/states.tsx';
import { useText } from '../../shell/language.tsx';
import { useCan } from '../../shell/session.tsx';
import { CustomerActions } from './actions/customer-actions.tsx';
import { CustomerFigures, CustomerMarks } from './figures.tsx';
import { Links } from './links.tsx';
import { NextCharge } from './next-charge.tsx';
import { Subscriptions } from './subscriptions.tsx';
import { TimeLine } from './time-line.tsx';
import { Why } from './why.tsx';

// One customer: the balance, the next charge, and four views, of which the address names one.

export type Customer = Answer<'/v1/customers/{telegram_id}'>;

const views = ['time', 'subscriptions', 'why', 'links'] as const;
type View = (typeof views)[number];

/** The parameters of the views in the address. */
const listNames = ['view', 'kind'] as const;

export default function Page() {
  const t = useText();
  const { customer: id = '' } = useParams<{ customer: string }>();
  const read = useRead('/v1/customers/{telegram_id}', { path: { telegram_id: id } });
  return (
    <>
      <h1>{t('customer-title', { id })}</h1>
      <Loaded read={read}>{(customer) => <Shown key={id} customer={customer} />}</Loaded>
    </>
  );
}

function Shown({ customer }: { readonly customer: Customer }) {
  const can = useCan();
  const list = useListState(listNames);
  const shown = views.filter((view) => view !== 'links' || can('sell'));
  const view = shown.find((each) => each === list.get('view')) ?? 'time';
  return (
    <>
      <CustomerMarks customer={customer} />
      <div class="customer-head">
        <NextCharge customer={customer} />
        <CustomerFigures customer={customer} />
      </div>
      <CustomerActions customer={customer} />
      <Views customer={customer} shown={shown} present={view} />
      {view === 'time' && <TimeLine customer={customer} list={list} />}
      {view === 'subscriptions' && <Subscriptions customer={customer} list={list} />}
      {view === 'why' && <Why customer={customer} />}
      {view === 'links' && <Links customer={customer} />}
    </>
  );
}

function Views(props: {
  readonly customer: Customer;
  readonly shown: readonly View[];
  readonly present: View;
}) {
  const t = useText();
  const { telegram_id: id, subscriptions_total: count } = props.customer;
  return (
    <nav class="views" aria-label={t('customer-views')}>
      {props.shown.map((view) => (
        <Link
          key={view}
          href={view === 'time' ? `/customers/${id}` : `/customers/${id}?view=${view}`}
          aria-current={view === props.present ? 'page' : undefined}
        >
          {t(`customer-view-${view}`, { count })}
        </Link>
      ))}
    </nav>
  );
}
