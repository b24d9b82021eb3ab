/** Settings for the texts of notifications. */

import { dirname, resolve } from 'node:path';
import { secondMs } from '../kernel/instant.ts';
import type { Config } from './config.ts';

export interface NoticeSettings {
  /** The folder of the operator's texts; undefined: only the built-in ones. */
  readonly folder: string | undefined;
  /** The language and the time zone of notifications to admins. */
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

/** The settings of a worker: from `workers.<name>`, else these defaults. */
export interface WorkerSettings {
  readonly everyMs: number;
  readonly batchMax: number;
  readonly budgetMs: number;
}

/** @param worker its name, and its default interval */
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
