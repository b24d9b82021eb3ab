import { useText } from '../../shell/language.tsx';

export default function Page() {
  const t = useText();
  return <h1>{t('page-runs')}</h1>;
}
