// The methods that a path has, for the header `Allow` of a 405.

export interface KnownPath {
  readonly method: string;
  /** As OpenAPI writes it: `/v1/customers/{telegram_id}`. */
  readonly path: string;
}

/** @returns the methods of the routes that `path` fits; empty for an unknown path */
export function allowedMethods(known: readonly KnownPath[], path: string): string[] {
  const given = path.split('/');
  const fits = ({ path: pattern }: KnownPath): boolean => {
    const parts = pattern.split('/');
    return (
      parts.length === given.length &&
      parts.every((part, at) => (part.startsWith('{') ? given[at] !== '' : part === given[at]))
    );
  };
  const methods = new Set(known.filter(fits).map(({ method }) => method));
  // The server answers HEAD for each GET.
  if (methods.has('GET')) methods.add('HEAD');
  return [...methods].sort();
}
