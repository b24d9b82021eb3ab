import { UsageFault } from '../kernel/faults.ts';

/** How a database is named in a message: `host:port/name`. Never its password, nor its user. */
export function describeDatabase(url: string): string {
  const parsed = URL.parse(url);
  if (parsed === null || hasRawPassword(parsed)) return 'the database URL';
  const host = parsed.hostname || parsed.searchParams.get('host') || 'localhost';
  const name = decodeName(parsed.pathname.slice(1)) || '(no name)';
  return `${host}:${parsed.port || '5432'}/${name}`;
}

/** Makes sure that a URL is one of PostgreSQL. @throws UsageFault that doesn't repeat it. */
export function checkDatabaseUrl(url: string): void {
  const parsed = URL.parse(url);
  if (parsed !== null && hasRawPassword(parsed)) {
    throw new UsageFault(
      'bad_database_url',
      'database: the URL has an @ behind the host; in a password, write @ as %40, / as %2F, ? as %3F, # as %23 and : as %3A',
    );
  }
  if (parsed !== null && /^postgres(ql)?:$/.test(parsed.protocol)) return;
  throw new UsageFault(
    'bad_database_url',
    'database: is not a URL of PostgreSQL; expected "embedded" or postgres://user:password@host:5432/name',
  );
}

/**
 * A password that is not encoded ends the host too early at `/`, `?` or `#`. The rest of it, with
 * the `@`, would count as the name of the database, and be printed.
 */
const hasRawPassword = ({ pathname, search, hash }: URL): boolean =>
  hash !== '' || pathname.includes('@') || search.includes('@');

/** A name with a % that is no code stays as it is. */
const decodeName = (name: string): string =>
  /%(?![0-9a-f]{2})/i.test(name) ? name : decodeURIComponent(name);
