import { UsageFault } from '../kernel/faults.ts';

/** How a database is named in a message: `host:port/name`. Never its password, nor its user. */
export function placeOf(url: string): string {
  const parsed = URL.parse(url);
  if (parsed === null) return 'the database URL';
  const host = parsed.hostname || parsed.searchParams.get('host') || 'localhost';
  const name = decodeURIComponent(parsed.pathname.slice(1)) || '(no name)';
  return `${host}:${parsed.port || '5432'}/${name}`;
}

/** Makes sure that a URL is one of PostgreSQL. @throws UsageFault that doesn't repeat it. */
export function checkUrl(url: string): void {
  const parsed = URL.parse(url);
  if (parsed !== null && /^postgres(ql)?:$/.test(parsed.protocol)) return;
  throw new UsageFault(
    'bad_database_url',
    'database: is not a URL of PostgreSQL; "embedded" or postgres://user:password@host:5432/name is',
  );
}

interface ConnectionError extends Error {
  readonly code?: string;
  readonly errors?: readonly ConnectionError[];
}

/** Why a database can't be worked with, as a sentence for a person; undefined: another failure. */
export function connectionFault(url: string, error: unknown): UsageFault | undefined {
  if (!(error instanceof Error)) return undefined;
  const failed = error as ConnectionError;
  // With several addresses for a name, each one's failure is inside.
  const code = failed.code ?? failed.errors?.[0]?.code ?? '';
  const place = placeOf(url);
  const says = (fault: string, sentence: string) =>
    new UsageFault(fault, `database ${place}: ${sentence}`, error);
  switch (code) {
    case '28P01':
    case '28000':
      return says('database_auth', 'refused the user or password; check them in the URL');
    case '3D000':
      return says('no_database', 'this database does not exist; create it (createdb), or mend the URL');
    case '42501':
      return says('database_rights', `the user lacks a right (${failed.message}); grant it`);
    case '53300':
    case '57P03':
      return says('database_busy', `takes no connection now (${failed.message}); try again later`);
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return says('unreachable', 'no such host; check the URL');
    case 'ECONNREFUSED':
    case 'ENOENT':
      return says('unreachable', 'nothing answers there; start PostgreSQL, or mend the URL');
  }
  if (/^[0-9A-Z]{5}$/.test(code) && !code.startsWith('08')) return undefined;
  if (/SASL|password must be a string/.test(failed.message)) {
    return says('database_auth', 'asks for a password; put one into the URL');
  }
  const why = failed.message || code;
  return says('unreachable', `can't be reached (${why}); check the URL and the network`);
}
