import { useState } from 'preact/hooks';
import { useLocation } from 'wouter';
import { useText } from './language.tsx';

/** Finds a customer by any id: Telegram id, customer id, UUID, token or payment. */
export function Lookup() {
  const t = useText();
  const [, navigate] = useLocation();
  const [value, setValue] = useState('');
  return (
    <search class="lookup">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const wanted = value.trim();
          if (wanted !== '') navigate(`/customers?${new URLSearchParams({ lookup: wanted })}`);
        }}
      >
        <input
          type="search"
          aria-label={t('lookup')}
          placeholder={t('lookup')}
          value={value}
          onInput={({ currentTarget }) => setValue(currentTarget.value)}
        />
      </form>
    </search>
  );
}
