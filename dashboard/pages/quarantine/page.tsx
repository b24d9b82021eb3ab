import './page.css';
import { useText } from '../../shell/language.tsx';
import { Guards } from './guards.tsx';
import { Items } from './items.tsx';

export default function Page() {
  const t = useText();
  return (
    <>
      <h1>{t('page-quarantine')}</h1>
      <Guards />
      <Items />
    </>
  );
}
