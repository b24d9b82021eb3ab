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
  ledger: '/ledger',
};

export function toHref({ list, query }: ListLink): string {
  const path = paths[list] ?? '/';
  const text = new URLSearchParams(query).toString();
  return text === '' ? path : `${path}?${text}`;
}
