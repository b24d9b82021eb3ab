/** The workers that have a schedule, by the names that the configuration and the queue use. */
export const scheduledWorkers = [
  'auto-renewal',
  'fast-expiry-cleanup',
  'trial-notifications',
  'expiry-reminders',
  'reconcile-xray-state',
  'raise-alarms',
  'bulk-jobs',
  'store-forecast',
] as const;

/** The workers that `perennial run` accepts. Couriers deliver as long as a service runs. */
export const workerNames: readonly string[] = [...scheduledWorkers, 'deliver-notifications'];
