import './page.css';
import { useRead } from '../../api/client.ts';
import { Figure } from '../../parts/figure.tsx';
import { Loaded } from '../../parts/states.tsx';
import { Table } from '../../parts/table.tsx';
import { useFormats } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';
import { useNodeColumns } from './columns.tsx';
import { type Node, readNodeState } from './status.ts';

/** The nodes: status, users, pending changes, progress of the seed, and errors. */
export default function Page() {
  const t = useText();
  const columns = useNodeColumns();
  const nodes = useRead('/v1/nodes');
  return (
    <>
      <h1>{t('page-nodes')}</h1>
      <Loaded read={nodes}>
        {({ items }) => (
          <>
            <Totals nodes={items} />
            <Table
              caption={t('page-nodes')}
              columns={columns}
              rows={items}
              keyOf={({ id }) => id}
              empty={t('nodes-empty')}
            />
          </>
        )}
      </Loaded>
    </>
  );
}

function Totals({ nodes }: { readonly nodes: readonly Node[] }) {
  const t = useText();
  const { count } = useFormats();
  const countOf = (state: string) => nodes.filter((node) => readNodeState(node).name === state);
  const sum = (read: (node: Node) => number) => nodes.reduce((all, node) => all + read(node), 0);
  const down = countOf('down').length;
  return (
    <div class="figures">
      <Figure label={t('nodes-all')} value={count(nodes.length)} />
      <Figure label={t('nodes-down')} value={count(down)} tone={down > 0 ? 'bad' : 'neutral'} />
      <Figure
        label={t('nodes-additions')}
        value={count(sum(({ additions_waiting: waiting }) => waiting))}
      />
      <Figure
        label={t('nodes-removals')}
        value={count(sum(({ removals_waiting: waiting }) => waiting))}
      />
    </div>
  );
}
