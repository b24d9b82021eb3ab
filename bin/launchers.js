// Watches the launchers of this process: npm, npx, and a shell that runs one command in the
// foreground.
//
// A SIGTERM to a launcher ends only the launcher. This program then ends as after its own SIGTERM.
// A detached program continues. These processes are not watched:
//
// 1. a process of another session or process group: setsid, a job of an interactive shell, a daemon
// 2. a shell whose text has nohup, setsid, disown or a single `&`
// 3. any other program: a supervisor, the init of a container, tmux
import { readFileSync } from 'node:fs';

const everyMs = 500;
const scriptBytesMax = 64 * 1024;
const shells = /^(sh|ash|dash|bash|zsh|ksh|mksh|busybox)$/;
const packageManagers = /(^|[/\\ ])(npm|npx|pnpm|pnpx|yarn|yarnpkg)(-cli\.c?js)?( |$)/;

const readOr = (path, otherwise) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return otherwise; // the process has ended, belongs to another user, or there is no /proc
  }
};

/** The process as Linux describes it; undefined without the process or without /proc. */
function readProcess(pid) {
  // The second field is the name of the program in brackets. It may contain any character.
  const [, rest] = /^\d+ \(.*\) (.*)$/s.exec(readOr(`/proc/${pid}/stat`, '').trim()) ?? [];
  if (rest === undefined) return undefined;
  const fields = rest.split(' ');
  const [state, parent, group, session] = fields;
  if (state === 'Z') return undefined;
  const words = readOr(`/proc/${pid}/cmdline`, '').split('\0');
  return { pid, parent: Number(parent), group, session, start: fields[19], words };
}

/** The text that a shell runs: of `-c` or of its script; undefined for an interactive shell. */
function readShellText({ pid, words: [, ...words] }) {
  const at = words.findIndex((word) => /^-[a-z]*c[a-z]*$/.test(word));
  if (at >= 0) return words[at + 1];
  const script = words.find((word) => word !== '' && !word.startsWith('-') && !shells.test(word));
  if (script === undefined) return undefined;
  const path = script.startsWith('/') ? script : `/proc/${pid}/cwd/${script}`;
  const text = readOr(path, undefined);
  return text === undefined || text.length > scriptBytesMax ? undefined : text;
}

const isDetaching = (text) =>
  /\b(nohup|setsid|disown|daemonize|start-stop-daemon)\b/.test(text) ||
  /&/.test(text.replaceAll(/&&|[<>]&|&>/g, ''));

function isLauncher(candidate) {
  const [program = ''] = candidate.words;
  if (packageManagers.test(candidate.words.slice(0, 2).join(' '))) return true;
  if (!shells.test(program.split('/').at(-1))) return false;
  const text = readShellText(candidate);
  return text !== undefined && !isDetaching(text);
}

/** The launchers above this process, the nearest first. */
function findLaunchers() {
  const own = readProcess(process.pid);
  const found = [];
  for (let above = own && readProcess(own.parent); above; above = readProcess(above.parent)) {
    if (above.session !== own.session || above.group !== own.group || !isLauncher(above)) break;
    found.push(above);
  }
  return found;
}

/** Without /proc only the parent is known. npm sets the variable for its child processes. */
function watchParent(onGone) {
  if (process.env.npm_command === undefined) return;
  const parent = process.ppid;
  watch(() => process.ppid === parent, onGone);
}

function watch(isRunning, onGone) {
  const timer = setInterval(() => {
    if (isRunning()) return;
    clearInterval(timer);
    onGone();
  }, everyMs);
  timer.unref();
}

/** Calls `onGone` once, when one of the launchers has ended. */
export function watchLaunchers(onGone) {
  if (readProcess(process.pid) === undefined) {
    watchParent(onGone);
    return;
  }
  const launchers = findLaunchers();
  if (launchers.length === 0) return;
  const isRunning = ({ pid, start }) => readProcess(pid)?.start === start;
  watch(() => launchers.every(isRunning), onGone);
}
