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
