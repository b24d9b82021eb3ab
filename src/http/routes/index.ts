import type { Route } from '../route.ts';
import { blockRoutes } from './blocks.ts';
import { bulkJobRoutes } from './bulk-jobs.ts';
import { catalogRoutes } from './catalog.ts';
import { clockRoutes } from './clock.ts';
import { customerRoutes } from './customers.ts';

import { explanationRoutes } from './explanation.ts';
import { forecastRoutes } from './forecast.ts';
import { historyRoutes } from './history.ts';
import { ledgerRoutes } from './ledger.ts';
import { listRoutes } from './lists.ts';
import { moneyRoutes } from './money.ts';
import { noticeRoutes } from './notices.ts';
import { operationRoutes } from './operations.ts';
import { overviewRoutes } from './overview.ts';
import { createPreviewRoutes } from './previews.ts';
import { quarantineRoutes } from './quarantine.ts';
import { reportRoutes } from './report.ts';
import { reversalRoutes } from './reversals.ts';
import { runRoutes } from './runs.ts';
import { subscriptionRoutes } from './subscriptions.ts';
import { workerRoutes } from './workers.ts';

const baseRoutes: readonly Route[] = [
  ...customerRoutes,
  ...explanationRoutes,
  ...historyRoutes,
  ...blockRoutes,
  ...listRoutes,
  ...ledgerRoutes,
  ...moneyRoutes,
  ...reversalRoutes,
  ...subscriptionRoutes,
  ...catalogRoutes,
  ...noticeRoutes,
  ...overviewRoutes,
  ...workerRoutes,
  ...operationRoutes,
  ...runRoutes,
  ...quarantineRoutes,
  ...reportRoutes,
  ...clockRoutes,
  ...bulkJobRoutes,
  ...forecastRoutes,
];

/** Every route of the API that needs a token. */
export const routes: readonly Route[] = [...baseRoutes, ...createPreviewRoutes(baseRoutes)];
