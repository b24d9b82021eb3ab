import { type RawBuilder, sql } from 'kysely';
import { UsageFault } from '../../kernel/faults.ts';

// Provider names without regard to spelling, so that no payment or dispute is entered twice.
//
// "YooKassa", "yookassa" and "yoo-kassa" are the same provider. The ledger keeps the first
// spelling. A name of a payment (provider, reference, dispute) is stored without spaces around it,
// and without zero-width and format characters. The case of a reference counts.

/** Case, spaces and punctuation do not count. */
export const normalizeSpelling = (provider: RawBuilder<unknown>): RawBuilder<string> =>
  sql<string>`regexp_replace(lower(normalize(${provider}, NFKC)), '[^[:alnum:]]', '', 'g')`;

const firstEntries = sql`perennial.ledger_entry l
  WHERE l.provider_ref IS NOT NULL AND l.payment_entry_id IS NULL`;

/** The spellings of `provider` in the ledger. It reads one entry of the index per spelling. */
export const selectSpellings = (provider: string): RawBuilder<unknown> => sql`(
  WITH RECURSIVE known(provider) AS (
    SELECT min(l.provider) FROM ${firstEntries}
    UNION ALL
    SELECT (SELECT min(l.provider) FROM ${firstEntries} AND l.provider > known.provider)
    FROM known WHERE known.provider IS NOT NULL)
  SELECT provider FROM known
  WHERE provider = ${provider} OR ${normalizeSpelling(sql`provider`)} = ${normalizeSpelling(sql`${provider}::text`)})`;

/** Format characters, and characters without a shape such as U+200B and U+FE0F. */
const invisible = /[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu;

/** A name of a payment as it is stored and searched; empty for a blank name. */
export const normalizeName = (text: string): string => text.replace(invisible, '').trim();

/** @throws UsageFault `bad_reference` for a blank name */
export function requirePaymentName(text: string, field: string): string {
  const name = normalizeName(text);
  if (name !== '') return name;
  throw new UsageFault(
    'bad_reference',
    `${field}: is blank; expected a name with visible characters`,
  );
}
