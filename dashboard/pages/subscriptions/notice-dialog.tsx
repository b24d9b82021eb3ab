import { useState } from 'preact/hooks';
import { TextAreaField, TextField } from '../../parts/fields.tsx';
import { useText } from '../../shell/language.tsx';
import { BulkDialog, type BulkDialogProps } from './bulk-dialog.tsx';

/** As in the API. */
const textMax = 3_000;
const firstLocales = ['en', 'ru'] as const;

/** The text of the operator for all customers that match, in the language of each. */
export function NoticeDialog(props: BulkDialogProps) {
  const t = useText();
  const [texts, setTexts] = useState(
    firstLocales.map((locale): { locale: string; text: string } => ({ locale, text: '' })),
  );
  const update = (index: number, change: { locale?: string; text?: string }) =>
    setTexts(texts.map((each, at) => (at === index ? { ...each, ...change } : each)));
  const written = Object.fromEntries(
    texts
      .map(({ locale, text }) => [locale.trim(), text] as const)
      .filter(([locale, text]) => locale !== '' && text.trim() !== ''),
  );
  const isValid = written.en !== undefined;
  return (
    <BulkDialog
      {...props}
      title={t('subscriptions-notice-title')}
      body={isValid ? { action: 'announcement', texts: written } : undefined}
      detail={{
        title: t('subscriptions-notice-language'),
        cell: ({ locale }) => {
          const chosen = chooseLocale(written, locale);
          return chosen === locale ? locale : `${locale} → ${chosen}`;
        },
      }}
    >
      {texts.map(({ locale, text }, index) => (
        <div key={index}>
          {index >= firstLocales.length && (
            <TextField
              label={t('subscriptions-notice-code')}
              hint={t('subscriptions-notice-code-hint')}
              value={locale}
              onChange={(value) => update(index, { locale: value })}
            />
          )}
          <TextAreaField
            label={t('subscriptions-notice-text', { language: locale || '…' })}
            hint={locale === 'en' ? t('subscriptions-notice-en-hint') : ''}
            value={text}
            max={textMax}
            isRequired={locale === 'en'}
            onChange={(value) => update(index, { text: value })}
          />
        </div>
      ))}
      <button type="button" onClick={() => setTexts([...texts, { locale: '', text: '' }])}>
        {t('subscriptions-notice-add')}
      </button>
    </BulkDialog>
  );
}

/** As `chooseAnnouncement` of the service: `pt-BR`, else `pt`, else English. */
function chooseLocale(texts: Readonly<Record<string, string>>, locale: string): string {
  const [language = ''] = locale.split('-');
  return [locale, language].find((each) => texts[each] !== undefined) ?? 'en';
}
