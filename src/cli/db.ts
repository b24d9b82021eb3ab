import { Command } from 'commander';
import { UsageFault } from '../kernel/faults.ts';
import { readConfiguration } from './configuration.ts';
import { type CommonOptions, command, print } from './frame.ts';
import { findRunning } from './open-books.ts';

/** `perennial db url`: where psql and other tools connect. */
export function dbCommand(): Command {
  return new Command('db').description('the database itself, for other tools').addCommand(
    command('url', 'print the URL of the database, with its password')
      .addHelpText('after', '\nExample: psql "$(perennial db url)"')
      .action(async (options: CommonOptions) => {
        const config = readConfiguration(options);
        const url = await findRunning(config);
        if (url === undefined) {
          throw new UsageFault(
            'not_running',
            `data folder ${config.dataDir}: its server runs only while a service does; start it with "perennial start"`,
          );
        }
        print(options, { url }, () => url);
      }),
  );
}
