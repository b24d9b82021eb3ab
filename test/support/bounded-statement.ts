/** Tables that grow with the customers and their history. */
export const growingTables =
  /\b(?:FROM|JOIN|UPDATE|INTO) perennial\.(?:customer|subscription|period|ledger_entry|credential|notification|event|access_sync)\b/i;

/**
 * Statements with a bound: a page, rows by their ids, one row by its id, written rows, or a count.
 * The part of a table that a repair after a step back reads is bounded too.
 */
const boundedPattern =
  /\.ctid < \$\d+::tid|\bLIMIT (?:\$\d+|\d+\b)|\bWHERE (?:\w\.)?id = \$\d+|= ANY\(\$\d+::\w+\[\]\)|\bunnest\(\$\d+::\w+\[\]|^\s*SELECT count\(\*\)/i;

export const isBounded = (sql: string): boolean => boundedPattern.test(sql);
