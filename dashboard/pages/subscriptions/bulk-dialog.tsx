import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Link, useLocation } from 'wouter';
import { type ChangeAnswer, useChange, usePreview } from '../../api/client.ts';
import { ActionDialog } from '../../parts/action-dialog.tsx';
import { Filter } from '../../parts/filter-text.tsx';
import { Loaded } from '../../parts/states.tsx';
import { Time } from '../../parts/values.tsx';
import { useText } from '../../shell/language.tsx';

// The dialog of a bulk job. It shows the customers that the job would change, for the present
// fields, before the job can start.

export interface BulkDialogProps {
  readonly filter: Readonly<Record<string, string>>;
  onClose(): void;
}

type Preview = ChangeAnswer<'/v1/bulk-jobs/preview'>;
export type BulkCustomer = Preview['customers'][number];

interface Props extends BulkDialogProps {
  readonly title: string;
  /** The request without its filter. undefined: a field is missing. */
  readonly body: Readonly<Record<string, unknown>> | undefined;
  /** The change of each customer. */
  readonly detail: { readonly title: string; cell(customer: BulkCustomer): ComponentChildren };
  readonly children: ComponentChildren;
}

export function BulkDialog(props: Props) {
  const t = useText();
  const [, navigate] = useLocation();
  const { title, filter, detail, onClose, children } = props;
  const body = useSettled(props.body);
  const create = useChange('/v1/bulk-jobs');
  const preview = usePreview(
    '/v1/bulk-jobs/preview',
    { body: { ...body, where: filter } },
    body !== undefined,
  );
  const isShown = JSON.stringify(body) === JSON.stringify(props.body);
  return (
    <ActionDialog
      title={title}
      confirm={t('subscriptions-start', { count: preview.data?.count ?? 0 })}
      isDangerous
      isReady={body !== undefined && isShown && (preview.data?.count ?? 0) > 0}
      done={t('subscriptions-started')}
      onClose={onClose}
      act={async (key) => {
        const job = await create.mutateAsync({ body: { ...body, where: filter }, key });
        navigate(`/subscriptions/jobs?job=${job.id}`);
      }}
    >
      {children}
      <div class="preview" aria-live="polite">
        {body === undefined ? (
          <p>{t('subscriptions-preview-waits')}</p>
        ) : (
          <Loaded read={preview}>{(data) => <PreviewList preview={data} detail={detail} />}</Loaded>
        )}
      </div>
    </ActionDialog>
  );
}

function PreviewList({ preview, detail }: Pick<Props, 'detail'> & { readonly preview: Preview }) {
  const t = useText();
  const { count, count_is_estimated: isEstimated, customers, filter } = preview;
  return (
    <>
      <p>
        <strong>
          {t(isEstimated ? 'subscriptions-preview-estimate' : 'subscriptions-preview-count', {
            count,
          })}
        </strong>{' '}
        <Filter filter={filter} />
      </p>
      {customers.length > 0 && (
        <table>
          <caption>{t('subscriptions-preview-first')}</caption>
          <thead>
            <tr>
              <th scope="col">{t('subscriptions-customer')}</th>
              <th scope="col">{t('subscriptions-end-now')}</th>
              <th scope="col">{detail.title}</th>
            </tr>
          </thead>
          <tbody>
            {customers.map((customer) => (
              <tr key={customer.id}>
                <td>
                  <Link href={`/customers/${customer.telegram_id}`}>{customer.telegram_id}</Link>
                </td>
                <td>
                  <Time at={customer.expires_at} />
                </td>
                <td>{detail.cell(customer)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

const settledMs = 400;

/** The value after a pause, so that not each key that is pressed sends a request. */
function useSettled<Value>(value: Value): Value {
  const [settled, setSettled] = useState(value);
  const text = JSON.stringify(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), settledMs);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
