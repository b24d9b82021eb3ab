import { Command, InvalidArgumentError, Option } from 'commander';
import type { OperatorRole } from '../../../db/schema-operators.ts';
import { computeUiOrigin } from '../../../http/ui/origin.ts';
import { formatCount } from '../../../kernel/count.ts';
import { UsageFault } from '../../../kernel/faults.ts';
import { type Instant, isoTime, tryParseDurationMs } from '../../../kernel/instant.ts';
import {
  listSessions,
  type OperatorSession,
  type SignOutResult,
  type SignOutTarget,
  signOut,
} from '../../../operators/session.ts';
import {
  createSignInLink,
  linkLifetimeMaxMs,
  linkLifetimeMs,
  operatorRoles,
} from '../../../operators/sign-in-link.ts';
import { parseTokenName } from '../../arguments.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  formatTable,
  printResult,
  withDatabase,
} from '../../command.ts';

/** `perennial ui link|sessions|sign-out`: the operators of the dashboard. */
export function buildUiCommand(open: DatabaseOpener): Command {
  return new Command('ui')
    .description('create links to the dashboard, list and end sessions')
    .addCommand(buildLinkCommand(open))
    .addCommand(buildSessionsCommand(open))
    .addCommand(buildSignOutCommand(open));
}

function parseLinkDuration(text: string): number {
  const ms = tryParseDurationMs(text);
  if (ms !== undefined && ms > 0 && ms <= linkLifetimeMaxMs) return ms;
  throw new InvalidArgumentError(
    `"${text}" is not a duration of at most 1d; expected one like 10m or 1h`,
  );
}

interface LinkOptions extends CommonOptions {
  readonly role: OperatorRole;
  readonly expires?: number;
}

function buildLinkCommand(open: DatabaseOpener): Command {
  return buildCommand('link', 'create a one-time link to the dashboard and print it once')
    .argument('<NAME>', 'name the operator; shown in timelines', parseTokenName)
    .addOption(
      new Option('--role <ROLE>', 'allow what a token with this scope allows')
        .choices(operatorRoles)
        .makeOptionMandatory(),
    )
    .option('--expires <DURATION>', 'end the unused link after this time [10m]', parseLinkDuration)
    .action((name: string, options: LinkOptions) =>
      withDatabase(open, options, async ({ db, config }) => {
        const origin = computeUiOrigin(config.file);
        if (origin === undefined) throw createUnknownOriginFault();
        const request = { name, scope: options.role, lastsMs: options.expires ?? linkLifetimeMs };
        const { secret, ...link } = await createSignInLink(db, request, 'cli');
        // A browser sends no fragment, so no log of a server or a proxy contains the secret.
        const url = `${origin}/ui/sign-in#${secret}`;
        const times = {
          created_at: isoTime(link.created_at),
          expires_at: isoTime(link.expires_at),
        };
        printResult(options, { ...link, ...times, url }, () =>
          [
            url,
            `for "${name}" (${link.scope}), once, until ${times.expires_at}. It is not shown again.`,
          ].join('\n'),
        );
      }),
    );
}

const createUnknownOriginFault = (): UsageFault =>
  new UsageFault(
    'no_ui_url',
    'ui.url: is not set, and the API does not listen on a fixed port of loopback; expected the address of the dashboard, like https://panel.example.com',
  );

function buildSessionsCommand(open: DatabaseOpener): Command {
  return buildCommand('sessions', 'list the sessions of the dashboard').action(
    (options: CommonOptions) =>
      withDatabase(open, options, async ({ db }) => {
        const sessions = await listSessions(db);
        printResult(options, sessions.map(toSessionJson), () => formatSessions(sessions));
      }),
  );
}

const toIsoOrNull = (at: Instant | null): string | null => (at === null ? null : isoTime(at));

const toSessionJson = ({ created_at, expires_at, last_used_at, ...session }: OperatorSession) => ({
  ...session,
  created_at: isoTime(created_at),
  expires_at: isoTime(expires_at),
  last_used_at: toIsoOrNull(last_used_at),
});

function formatSessions(sessions: readonly OperatorSession[]): string {
  if (sessions.length === 0) return 'no sessions; create a link with "perennial ui link"';
  const rows = sessions.map(({ id, name, scope, created_at, expires_at, last_used_at }) => [
    id,
    name,
    scope,
    isoTime(created_at),
    isoTime(expires_at),
    toIsoOrNull(last_used_at) ?? 'never',
  ]);
  return formatTable([['ID', 'NAME', 'ROLE', 'SIGNED IN', 'EXPIRES', 'LAST USED'], ...rows]);
}

interface SignOutOptions extends CommonOptions {
  readonly name?: string;
}

function buildSignOutCommand(open: DatabaseOpener): Command {
  return buildCommand('sign-out', 'end a session, or all sessions and unused links of a name')
    .argument('[ID]', 'end the session with this id, as "ui sessions" prints it')
    .option('--name <NAME>', 'end everything of this operator [only the session ID]')
    .action((id: string | undefined, options: SignOutOptions) => {
      const target = toTarget(id, options.name);
      return withDatabase(open, options, async ({ db }) => {
        const result = await signOut(db, target, 'cli');
        printResult(options, result, () => formatSignOut(result));
      });
    });
}

/** @throws UsageFault `which_session` */
function toTarget(id: string | undefined, name: string | undefined): SignOutTarget {
  if (id !== undefined && name === undefined) return { id };
  if (id === undefined && name !== undefined) return { name };
  throw new UsageFault('which_session', 'ID: expected the id of a session, or --name NAME');
}

function formatSignOut({ sessions, links }: SignOutResult): string {
  const ended = `${formatCount(sessions.length, 'session')} ended`;
  return links.length === 0 ? ended : `${ended}, ${formatCount(links.length, 'link')} revoked`;
}
