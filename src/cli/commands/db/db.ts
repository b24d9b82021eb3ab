import { Command } from 'commander';
import { UsageFault } from '../../../kernel/faults.ts';
import { buildCommand, type CommonOptions, printResult } from '../../command.ts';
import { readConfiguration } from '../../configuration.ts';
import { findRunningUrl } from '../../open-database.ts';

/** `perennial db url`: the URL for psql and other tools. */
export function buildDbCommand(): Command {
  return new Command('db').addCommand(
    buildCommand('url', 'print the URL of the database, with its password')
      .addHelpText('after', '\nExample: psql "$(perennial db url)"')
      .action(async (options: CommonOptions) => {
        const config = readConfiguration(options);
        const url = await findRunningUrl(config);
        if (url === undefined) {
          throw new UsageFault(
            'not_running',
            `data folder ${config.dataDir}: its server runs only while a service runs; start it with "perennial start"`,
          );
        }
        printResult(options, { url }, () => url);
      }),
  );
}
