import { type Config, loadConfig } from '../config.ts';
import { UsageFault } from '../kernel/faults.ts';
import { workerNames as names } from '../workers/index.ts';

/**
 * The configuration of a command, checked against the workers that there are: settings of one that
 * is misspelt would be passed over in silence. @throws UsageFault
 */
export function readConfiguration(options: { readonly config?: string }): Config {
  const config = loadConfig(options.config === undefined ? {} : { config: options.config });
  const unknown = Object.keys(config.file.workers).find((name) => !names.includes(name));
  if (unknown === undefined) return config;
  throw new UsageFault(
    'no_worker',
    `${config.path}: workers.${unknown}: there is no such worker; there is ${names.join(', ')}`,
  );
}
