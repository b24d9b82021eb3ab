import { Command, InvalidArgumentError } from 'commander';
import { dayMs, type Instant, isoTime, readDurationMs } from '../kernel/instant.ts';
import { createToken, listTokens, revokeToken, type ShownToken } from '../tokens/store.ts';
import { isTokenName, type Scope, scopes } from '../tokens/token.ts';
import { type CommonOptions, command, type OpenBooks, print, table, withBooks } from './frame.ts';

/** `perennial token create|list|revoke`: who may use the HTTP API. */
export function tokenCommand(open: OpenBooks): Command {
  return new Command('token')
    .description('who may use the HTTP API')
    .addCommand(create(open))
    .addCommand(list(open))
    .addCommand(revoke(open));
}

function scopeList(given: string): Scope[] {
  const named = given.split(',').map((name) => name.trim());
  const unknown = named.find((name) => !(scopes as readonly string[]).includes(name));
  if (unknown === undefined) return [...new Set(named)] as Scope[];
  throw new InvalidArgumentError(`"${unknown}" is none of ${scopes.join(', ')}`);
}

/** A hundred years. */
const longestMs = 36_500 * dayMs;

function duration(given: string): number {
  const ms = readDurationMs(given);
  if (ms !== undefined && ms > 0 && ms <= longestMs) return ms;
  throw new InvalidArgumentError(
    `"${given}" is not a duration of at most 36500d; expected one like 90d or 12h`,
  );
}

function tokenName(given: string): string {
  if (isTokenName(given)) return given;
  throw new InvalidArgumentError(
    `"${given}" is not a name; expected 1 to 64 printable characters with single spaces between them`,
  );
}

interface CreateOptions extends CommonOptions {
  readonly scope: Scope[];
  readonly expires?: number;
}

function create(open: OpenBooks): Command {
  return command('create', 'make a token; its text is shown this once')
    .argument(
      '<NAME>',
      'the name of the holder, unique and printable; timelines show it',
      tokenName,
    )
    .requiredOption(
      '--scope <LIST>',
      'read, sell (includes read), admin (includes all), or metrics (/metrics alone)',
      scopeList,
    )
    .option('--expires <DURATION>', 'ends after that, as 90d; without it never', duration)
    .action((name: string, options: CreateOptions) =>
      withBooks(open, options, async ({ db }) => {
        const order = { name, scopes: options.scope, lastsMs: options.expires };
        const { token, ...made } = await createToken(db, order, 'cli');
        print(options, { ...json(made), token }, () =>
          [
            token,
            `for "${name}" (${made.scopes.join(', ')}), ${until(made)}. It is not shown again; "perennial token revoke ${made.id}" ends it.`,
          ].join('\n'),
        );
      }),
    );
}

const until = ({ expires_at }: ShownToken): string =>
  expires_at === null ? 'without an end' : `until ${isoTime(expires_at)}`;

function list(open: OpenBooks): Command {
  return command('list', 'tokens, without their secrets').action((options: CommonOptions) =>
    withBooks(open, options, async ({ db }) => {
      const tokens = await listTokens(db);
      print(options, tokens.map(json), () => text(tokens));
    }),
  );
}

function revoke(open: OpenBooks): Command {
  return command('revoke', 'end a token, at once')
    .argument('<ID>', 'as "token list" has it')
    .action((id: string, options: CommonOptions) =>
      withBooks(open, options, async ({ db }) => {
        await revokeToken(db, id, 'cli');
        print(options, { id, revoked: true }, () => `${id}: revoked; it opens nothing any more`);
      }),
    );
}

const maybe = (at: Instant | null): string | null => (at === null ? null : isoTime(at));

const json = ({ created_at, expires_at, revoked_at, last_used_at, ...token }: ShownToken) => ({
  ...token,
  created_at: isoTime(created_at),
  expires_at: maybe(expires_at),
  revoked_at: maybe(revoked_at),
  last_used_at: maybe(last_used_at),
});

function text(tokens: readonly ShownToken[]): string {
  if (tokens.length === 0) return 'no tokens yet; "perennial token create" makes one';
  const rows = tokens.map((token) => [
    token.id,
    token.name,
    token.scopes.join(', '),
    isoTime(token.created_at),
    maybe(token.revoked_at) === null ? (maybe(token.expires_at) ?? 'never') : 'revoked',
    maybe(token.last_used_at) ?? 'never',
  ]);
  return table([['ID', 'NAME', 'SCOPES', 'CREATED', 'EXPIRES', 'LAST USED'], ...rows]);
}
