import type { Route } from '../route.ts';
import { catalogueRoutes } from './catalogue.ts';
import { clockRoutes } from './clock.ts';
import { customers } from './customers.ts';
import { moneyRoutes } from './money.ts';
import { noticeRoutes } from './notices.ts';
import { operationRoutes } from './operations.ts';
import { reversals } from './reversals.ts';
import { subscriptionRoutes } from './subscriptions.ts';

/** Every route of the API that needs a token. */
export const routes: readonly Route[] = [
  ...customers,
  ...moneyRoutes,
  ...reversals,
  ...subscriptionRoutes,
  ...catalogueRoutes,
  ...noticeRoutes,
  ...operationRoutes,
  ...clockRoutes,
];
