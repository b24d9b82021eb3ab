import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { shopCustomers } from './dashboard-shop.ts';
import { root } from './repository.ts';

// The pages of the dashboard, with addresses that show something.

export interface DashboardPage {
  readonly id: string;
  /** Below `/ui`. */
  readonly path: string;
}

const source = readFileSync(join(root, 'dashboard/shell/pages.ts'), 'utf8');

export const dashboardPages: readonly DashboardPage[] = [
  ...source.matchAll(/\bid: '([\w-]+)',\s+path: '([^']+)'/g),
].map(([, id = '', path = '']) => ({
  id,
  path: path.replace(':customer', `${shopCustomers.short}`),
}));
