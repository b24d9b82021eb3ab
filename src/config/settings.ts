/** How notices are said. */

import { dirname, resolve } from 'node:path';
import { secondMs } from '../kernel/instant.ts';
import type { Config } from './config.ts';

export interface NoticeSettings {
  /** The operator's own texts; undefined: ours alone. */
  readonly folder: string | undefined;
  /** In which language and by whose clock the admins are told. */
  readonly admins: { readonly locale: string; readonly timeZone: string };
}

export function toNoticeSettings({
  path = 'perennial.yaml',
  file: { notices },
}: Config): NoticeSettings {
  return {
    folder: notices?.folder && resolve(dirname(path), notices.folder),
    admins: {
      locale: notices?.admin_locale ?? 'en',
      timeZone: notices?.admin_time_zone ?? 'UTC',
    },
  };
}

/** How a worker is run: from `workers.<name>`, else these. */
export interface WorkerSettings {
  readonly everyMs: number;
  readonly batchMax: number;
  readonly budgetMs: number;
}

/** @param worker its name, and how often it runs where the file says nothing */
export function toWorkerSettings(
  config: Config,
  worker: { readonly name: string; readonly everyMs: number },
): WorkerSettings {
  const configured = config.file.workers[worker.name] ?? {};
  return {
    everyMs: configured.every ?? worker.everyMs,
    batchMax: configured.batch ?? 1000,
    budgetMs: configured.budget ?? 15 * secondMs,
  };
}
