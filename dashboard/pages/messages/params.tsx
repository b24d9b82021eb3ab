import { Time } from '../../parts/values.tsx';

const isTime = (value: unknown): value is string =>
  typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value);

/** The values of a notification. Texts of customers, nodes and gateways are shown as text. */
export function NoticeParams(props: {
  readonly title: string;
  readonly params: Readonly<Record<string, unknown>>;
}) {
  const { title, params } = props;
  const entries = Object.entries(params).filter(([, value]) => value !== null);
  if (entries.length === 0) return <span>{title}</span>;
  return (
    <details class="notice-params">
      <summary>{title}</summary>
      <dl>
        {entries.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{isTime(value) ? <Time at={value} /> : String(value)}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
