// A signal before the code of a command is loaded. `heedSignals` of the program replaces these
// listeners, by their name. bin/perennial.js passes signals on to the Node that it starts.
const exitCodes = { SIGINT: 130, SIGTERM: 143 };

for (const [name, exitCode] of Object.entries(exitCodes)) {
  process.on(name, function endEarly() {
    if (process.listenerCount(name) > 1) return;
    process.stderr.write('perennial: interrupted; nothing was changed\n');
    process.exit(exitCode);
  });
}
