import { type ItemOf, useRead } from '../../api/client.ts';
import { Loaded } from '../../parts/states.tsx';
import { type Column, Table } from '../../parts/table.tsx';
import { Badge, Time } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';

type CourierRow = ItemOf<'/v1/couriers'>;

/** The bots, mailboxes and logs that deliver, with their states. */
export function Channels() {
  const t = useText();
  const read = useRead('/v1/couriers');
  const columns: readonly Column<CourierRow>[] = [
    { id: 'id', title: t('messages-channel'), cell: ({ id }) => id },
    { id: 'state', title: t('filter-state'), cell: (row) => <CourierState row={row} /> },
    {
      id: 'paused',
      title: t('messages-paused-until'),
      cell: ({ rests_until: until }) => <Time at={until} />,
    },
    {
      id: 'failures',
      title: t('messages-failures'),
      isNumber: true,
      cell: ({ failures }) => failures,
    },
    {
      id: 'error',
      title: t('messages-last-error'),
      cell: ({ last_error: error }) => error ?? '–',
    },
  ];
  return (
    <div>
      <h2>{t('messages-channels')}</h2>
      <Loaded read={read}>
        {({ items }) => (
          <Table
            caption={t('messages-channels')}
            columns={columns}
            rows={items}
            keyOf={({ id }) => id}
            empty={t('messages-no-channels')}
          />
        )}
      </Loaded>
    </div>
  );
}

function CourierState({ row: { delivers, failures } }: { readonly row: CourierRow }) {
  const t = useText();
  if (!delivers) return <Badge tone="warning" text={t('messages-channel-stopped')} />;
  return failures > 0 ? (
    <Badge tone="bad" text={t('messages-channel-fails')} />
  ) : (
    <Badge tone="good" text={t('messages-channel-delivers')} />
  );
}
