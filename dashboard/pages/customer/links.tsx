import { useState } from 'preact/hooks';
import { EmptyState } from '../../parts/states.tsx';
import { showToast } from '../../parts/toasts.tsx';
import { useText } from '../../shell/language.tsx';
import type { Customer } from './page.tsx';
import { QrCode } from './qr-code.tsx';

// The links of a customer with QR codes. The API returns them only to roles that see secrets.

/** Links of one view. A customer with 10,000 subscriptions has more. */
const shownMax = 50;

export function Links({ customer }: { readonly customer: Customer }) {
  const t = useText();
  const [max, setMax] = useState(shownMax);
  const { sub_token: token, links } = customer;
  if (token === null || links === null) return null;
  return (
    <section aria-labelledby="links">
      <h2 id="links">{t('customer-links')}</h2>
      <LinkCode title={t('customer-sub-url')} link={`${location.origin}/sub/${token}`} isOpen />
      {links.length === 0 && <EmptyState text={t('customer-no-links')} />}
      {links.slice(0, max).map(({ subscription_id: id, node, link, error }) =>
        link === null ? (
          <p key={`${id} ${node}`} class="alert">
            {node}: {error}
          </p>
        ) : (
          <LinkCode
            key={`${id} ${node}`}
            title={`${node}, ${t('customer-subscription', { id: String(id) })}`}
            link={link}
          />
        ),
      )}
      {links.length > max && (
        <button type="button" onClick={() => setMax(max + shownMax)}>
          {t('customer-more-links', { count: links.length - max })}
        </button>
      )}
    </section>
  );
}

interface LinkCodeProps {
  readonly title: string;
  readonly link: string;
  readonly isOpen?: boolean;
}

/** A code is drawn when it is opened. */
function LinkCode({ title, link, isOpen: isOpenAtFirst = false }: LinkCodeProps) {
  const t = useText();
  const [isOpen, setOpen] = useState(isOpenAtFirst);
  const copy = async () => {
    await navigator.clipboard.writeText(link);
    showToast(t('customer-copied'));
  };
  return (
    <details
      class="panel link"
      open={isOpen}
      onToggle={({ currentTarget }) => setOpen(currentTarget.open)}
    >
      <summary>{title}</summary>
      {isOpen && (
        <div class="link-content">
          <QrCode text={link} label={t('customer-qr', { title })} />
          <div>
            <code>{link}</code>
            <p>
              <button type="button" onClick={() => void copy()}>
                {t('customer-copy')}
              </button>
            </p>
          </div>
        </div>
      )}
    </details>
  );
}
