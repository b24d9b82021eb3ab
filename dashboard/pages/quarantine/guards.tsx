import { useRead } from '../../api/client.ts';
import { ProblemList } from '../../parts/problems.tsx';
import { Loaded } from '../../parts/states.tsx';
import { useText } from '../../shell/language.tsx';

const heldCodes = ['charges_held', 'ends_held', 'removals_held'];

/** The guards that hold changes now. */
export function Guards() {
  const t = useText();
  const read = useRead('/v1/problems');
  return (
    <>
      <h2>{t('quarantine-guards')}</h2>
      <Loaded read={read}>
        {({ items }) => (
          <ProblemList
            problems={items.filter(({ code }) => heldCodes.includes(code))}
            empty={t('quarantine-no-guards')}
          />
        )}
      </Loaded>
    </>
  );
}
