// The page of the dashboard that shows a list of the API with these parameters.

interface ListLink {
  readonly list: string;
  readonly query: Readonly<Record<string, string>>;
}

const paths: Readonly<Record<string, string>> = {
  subscriptions: '/subscriptions',
  customers: '/customers',
  notices: '/messages',
  nodes: '/nodes',
  problems: '/quarantine',
  // The report has the entries of the month as a file.
  ledger: '/report',
};

export function toHref({ list, query }: ListLink): string {
  const path = paths[list] ?? '/';
  const parameters = list === 'ledger' ? { month: (query.since ?? '').slice(0, 7) } : query;
  const text = new URLSearchParams(parameters).toString();
  return text === '' ? path : `${path}?${text}`;
}
