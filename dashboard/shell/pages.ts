import type { FunctionComponent } from 'preact';
import { lazy } from 'preact/compat';

// The pages of the dashboard: the path, the code and the place in the menu. Each page is a separate
// chunk.

export interface Page {
  /** The id of the page, and the prefix of its texts. */
  readonly id: string;
  readonly path: string;
  readonly component: FunctionComponent;
  /** False: reached by a link only. */
  readonly isInMenu: boolean;
}

export const pages: readonly Page[] = [
  {
    id: 'overview',
    path: '/',
    component: lazy(() => import('../pages/overview/page.tsx')),
    isInMenu: true,
  },
  {
    id: 'forecast',
    path: '/forecast',
    component: lazy(() => import('../pages/forecast/page.tsx')),
    isInMenu: true,
  },
  {
    id: 'customers',
    path: '/customers',
    component: lazy(() => import('../pages/customers/page.tsx')),
    isInMenu: true,
  },
  {
    id: 'customer',
    path: '/customers/:customer',
    component: lazy(() => import('../pages/customer/page.tsx')),
    isInMenu: false,
  },
  {
    id: 'subscriptions',
    path: '/subscriptions',
    component: lazy(() => import('../pages/subscriptions/page.tsx')),
    isInMenu: true,
  },
  {
    id: 'bulk-jobs',
    path: '/subscriptions/jobs',
    component: lazy(() => import('../pages/bulk-jobs/page.tsx')),
    isInMenu: false,
  },
  {
    id: 'ledger',
    path: '/ledger',
    component: lazy(() => import('../pages/ledger/page.tsx')),
    isInMenu: true,
  },
  {
    id: 'nodes',
    path: '/nodes',
    component: lazy(() => import('../pages/nodes/page.tsx')),
    isInMenu: true,
  },
  {
    id: 'messages',
    path: '/messages',
    component: lazy(() => import('../pages/messages/page.tsx')),
    isInMenu: true,
  },
  {
    id: 'runs',
    path: '/runs',
    component: lazy(() => import('../pages/runs/page.tsx')),
    isInMenu: true,
  },
  {
    id: 'quarantine',
    path: '/quarantine',
    component: lazy(() => import('../pages/quarantine/page.tsx')),
    isInMenu: true,
  },
  {
    id: 'report',
    path: '/report',
    component: lazy(() => import('../pages/report/page.tsx')),
    isInMenu: true,
  },
  {
    id: 'audit',
    path: '/audit',
    component: lazy(() => import('../pages/audit/page.tsx')),
    isInMenu: true,
  },
];
