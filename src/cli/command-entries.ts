import type { Command } from 'commander';

// The table of top-level commands.

/** A top-level command. Its code is loaded only if the command line names it. */
export interface CommandEntry {
  /** Name and arguments, like `apply <FILE>`. */
  readonly usage: string;
  readonly description: string;
  load(): Promise<Command>;
}

const loadOpener = async () => (await import('./open-database.ts')).openForCommand;

export const commandEntries: readonly CommandEntry[] = [
  {
    usage: 'demo',
    description: 'run all workers on generated data with a fast clock, until Ctrl-C',
    load: async () => (await import('./commands/demo/demo.ts')).buildDemoCommand(),
  },
  {
    usage: 'start',
    description: 'run the service: workers and API, until SIGTERM or SIGINT',
    load: async () => {
      const { openForService } = await import('./open-database.ts');
      return (await import('./commands/start/start.ts')).buildStartCommand(openForService);
    },
  },
  {
    usage: 'migrate',
    description: 'create the schema of the database, or update it',
    load: async () => (await import('./commands/db/migrate.ts')).buildMigrateCommand(),
  },
  {
    usage: 'apply <FILE>',
    description:
      'change plans, prices, settings and nodes to those of FILE; show the difference first',
    load: async () =>
      (await import('./commands/apply/apply.ts')).buildApplyCommand(await loadOpener()),
  },
  {
    usage: 'plan',
    description: 'list plans, set prices',
    load: async () =>
      (await import('./commands/plan/plan.ts')).buildPlanCommand(await loadOpener()),
  },
  {
    usage: 'node',
    description: 'list, check, compare, adopt and remove Xray nodes',
    load: async () =>
      (await import('./commands/node/node.ts')).buildNodeCommand(await loadOpener()),
  },
  {
    usage: 'import <FILE>',
    description: 'add customers and subscriptions from FILE, all or nothing',
    load: async () =>
      (await import('./commands/import/import.ts')).buildImportCommand(await loadOpener()),
  },
  {
    usage: 'export <FILE>',
    description: 'write customers and subscriptions to FILE, in the format of import',
    load: async () =>
      (await import('./commands/export/export.ts')).buildExportCommand(await loadOpener()),
  },
  {
    usage: 'backup <FILE>',
    description: 'write the whole database to FILE, while the service runs',
    load: async () =>
      (await import('./commands/db/backup.ts')).buildBackupCommand(await loadOpener()),
  },
  {
    usage: 'restore <FILE>',
    description: 'read a backup into an empty database, all or nothing',
    load: async () => (await import('./commands/db/backup.ts')).buildRestoreCommand(),
  },
  {
    usage: 'db',
    description: 'print the URL of the database for other tools',
    load: async () => (await import('./commands/db/db.ts')).buildDbCommand(),
  },
  {
    usage: 'run <worker>',
    description: 'run a worker once and print its record',
    load: async () => (await import('./commands/run/run.ts')).buildRunCommand(await loadOpener()),
  },
  {
    usage: 'runs',
    description: 'list runs of workers, show what a run did',
    load: async () =>
      (await import('./commands/runs/runs.ts')).buildRunsCommand(await loadOpener()),
  },
  {
    usage: 'quarantine',
    description: 'list, retry and dismiss items that failed because of their data',
    load: async () =>
      (await import('./commands/quarantine/quarantine.ts')).buildQuarantineCommand(
        await loadOpener(),
      ),
  },
  {
    usage: 'customer',
    description: 'show and change customers, their money and their subscriptions',
    load: async () =>
      (await import('./commands/customer/customer.ts')).buildCustomerCommand(await loadOpener()),
  },
  {
    usage: 'why <TG>',
    description: 'explain the charges, the access and the notifications of a customer',
    load: async () => (await import('./commands/why/why.ts')).buildWhyCommand(await loadOpener()),
  },
  {
    usage: 'subscription',
    description: 'list subscriptions of all customers',
    load: async () =>
      (await import('./commands/subscription/subscription.ts')).buildSubscriptionCommand(
        await loadOpener(),
      ),
  },
  {
    usage: 'grant',
    description: 'give free days to all customers that meet conditions',
    load: async () =>
      (await import('./commands/bulk/bulk.ts')).buildBulkGrantCommand(await loadOpener()),
  },
  {
    usage: 'auto-renew <on|off>',
    description: 'set auto-renewal of all customers that meet conditions',
    load: async () =>
      (await import('./commands/bulk/bulk.ts')).buildBulkAutoRenewCommand(await loadOpener()),
  },
  {
    usage: 'bulk',
    description: 'list, show, resume and cancel bulk jobs',
    load: async () =>
      (await import('./commands/bulk/bulk.ts')).buildBulkJobsCommand(await loadOpener()),
  },
  {
    usage: 'notice',
    description: 'preview, list, send, resend and cancel notifications',
    load: async () =>
      (await import('./commands/notice/notice.ts')).buildNoticeCommand(await loadOpener()),
  },
  {
    usage: 'clock',
    description: 'show the database time, confirm it, undo the effects of a wrong clock',
    load: async () =>
      (await import('./commands/clock/clock.ts')).buildClockCommand(await loadOpener()),
  },
  {
    usage: 'overview',
    description: 'print the figures of the present moment',
    load: async () =>
      (await import('./commands/overview/overview.ts')).buildOverviewCommand(await loadOpener()),
  },
  {
    usage: 'problems',
    description: 'list what is wrong now, the worst first, with remedies',
    load: async () =>
      (await import('./commands/problems/problems.ts')).buildProblemsCommand(await loadOpener()),
  },
  {
    usage: 'report',
    description: 'print the figures of a month, or its ledger or periods as CSV',
    load: async () =>
      (await import('./commands/report/report.ts')).buildReportCommand(await loadOpener()),
  },
  {
    usage: 'audit',
    description: 'check every promise in the database; change no data of customers',
    load: async () =>
      (await import('./commands/audit/audit.ts')).buildAuditCommand(await loadOpener()),
  },
  {
    usage: 'forecast',
    description: 'list the renewals, short balances and ends of the next days',
    load: async () =>
      (await import('./commands/forecast/forecast.ts')).buildForecastCommand(await loadOpener()),
  },
  {
    usage: 'token',
    description: 'create, list and revoke tokens of the HTTP API',
    load: async () =>
      (await import('./commands/token/token.ts')).buildTokenCommand(await loadOpener()),
  },
  {
    usage: 'ui',
    description: 'create links to the dashboard, list and end sessions',
    load: async () => (await import('./commands/ui/ui.ts')).buildUiCommand(await loadOpener()),
  },
];

/** `apply` of `apply <FILE>`. */
export const toCommandName = ({ usage }: CommandEntry): string => usage.split(' ')[0] as string;
