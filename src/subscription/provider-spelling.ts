import { type RawBuilder, sql } from 'kysely';

// One provider in whatever spelling: "YooKassa", "yookassa" and "yoo-kassa" are the same provider. A
// payment and a dispute are known by it, so that none is entered twice. The ledger keeps the first
// spelling.

/** Case, spaces and punctuation do not count. */
export const spellingOf = (provider: RawBuilder<unknown>): RawBuilder<string> =>
  sql<string>`regexp_replace(lower(normalize(${provider}, NFKC)), '[^[:alnum:]]', '', 'g')`;

const firstEntries = sql`perennial.ledger_entry l
  WHERE l.provider_ref IS NOT NULL AND l.payment_entry_id IS NULL`;

/** The spellings of `provider` in the ledger. It reads one entry of the index per spelling. */
export const spellingsOf = (provider: string): RawBuilder<unknown> => sql`(
  WITH RECURSIVE known(provider) AS (
    SELECT min(l.provider) FROM ${firstEntries}
    UNION ALL
    SELECT (SELECT min(l.provider) FROM ${firstEntries} AND l.provider > known.provider)
    FROM known WHERE known.provider IS NOT NULL)
  SELECT provider FROM known
  WHERE provider = ${provider} OR ${spellingOf(sql`provider`)} = ${spellingOf(sql`${provider}::text`)})`;
