// The methods that a path has, for the header `Allow` of a 405.

export interface RoutePath {
  readonly method: string;
  /** As OpenAPI writes it: `/v1/customers/{telegram_id}`. */
  readonly path: string;
}

/** @returns the methods of the routes that `path` fits; empty for an unknown path */
export function computeAllowedMethods(routes: readonly RoutePath[], path: string): string[] {
  const segments = path.split('/');
  const fits = ({ path: pattern }: RoutePath): boolean => {
    const parts = pattern.split('/');
    return (
      parts.length === segments.length &&
      parts.every((part, at) =>
        part.startsWith('{') ? segments[at] !== '' : part === segments[at],
      )
    );
  };
  const methods = new Set(routes.filter(fits).map(({ method }) => method));
  // The server answers HEAD for each GET.
  if (methods.has('GET')) methods.add('HEAD');
  return [...methods].sort();
}
