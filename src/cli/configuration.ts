import { type Config, loadConfig } from '../config/config.ts';
import { workerNames as workers } from '../runs/worker-names.ts';

/** The configuration of a command, checked against the list of workers. @throws UsageFault */
export function readConfiguration({ config }: { readonly config?: string }): Config {
  return loadConfig({ ...(config === undefined ? {} : { config }), workers });
}
