// Handles a signal before the code of a command is loaded. `watchSignals` in src/cli/shutdown.ts
// replaces these listeners by their name. bin/perennial.js forwards signals to the Node that it
// starts.
const exitCodes = { SIGINT: 130, SIGTERM: 143 };

for (const [name, exitCode] of Object.entries(exitCodes)) {
  process.on(name, function endEarly() {
    if (process.listenerCount(name) > 1) return;
    process.stderr.write('perennial: interrupted; nothing was changed\n');
    process.exit(exitCode);
  });
}
