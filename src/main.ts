import { runProgram } from './cli/program.ts';
import { errnoTexts } from './db/faults.ts';

// The entry point: arguments in, exit code out.
//
// A failed write does not end the work: a command that changes something completes. A closed pipe
// (`… | head`) leaves the exit code unchanged. A full disk is a failure.
let outputError: string | undefined;
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', ({ code = '', message }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE' || outputError !== undefined) return;
    outputError = errnoTexts[code] ?? message;
  });
}

const code = await runProgram(process.argv.slice(2));
// Errors of the last writes arrive after this turn of the event loop.
await new Promise((resolve) => setImmediate(resolve));
// A command that failed with code 2 has stated its reason, which may be the same one.
if (outputError !== undefined && code !== 2) {
  process.stderr.write(`perennial: the output can't be written: ${outputError}\n`);
}
process.exitCode = outputError !== undefined && code === 0 ? 1 : code;
