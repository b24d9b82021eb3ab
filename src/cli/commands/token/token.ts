import { Command, InvalidArgumentError } from 'commander';
import { dayMs, type Instant, isoTime, tryParseDurationMs } from '../../../kernel/instant.ts';
import { createToken, listTokens, revokeToken, type TokenStatus } from '../../../tokens/store.ts';
import { isTokenName, type TokenScope, tokenScopes } from '../../../tokens/token.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  formatTable,
  printResult,
  withDatabase,
} from '../../command.ts';

/** `perennial token create|list|revoke`: who may use the HTTP API. */
export function buildTokenCommand(open: DatabaseOpener): Command {
  return new Command('token')
    .description('who may use the HTTP API')
    .addCommand(buildCreateCommand(open))
    .addCommand(buildListCommand(open))
    .addCommand(buildRevokeCommand(open));
}

function parseScopes(text: string): TokenScope[] {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !(tokenScopes as readonly string[]).includes(name));
  if (unknown === undefined) return [...new Set(names)] as TokenScope[];
  throw new InvalidArgumentError(`"${unknown}" is none of ${tokenScopes.join(', ')}`);
}

/** A hundred years. */
const longestMs = 36_500 * dayMs;

function parseDuration(text: string): number {
  const ms = tryParseDurationMs(text);
  if (ms !== undefined && ms > 0 && ms <= longestMs) return ms;
  throw new InvalidArgumentError(
    `"${text}" is not a duration of at most 36500d; expected one like 90d or 12h`,
  );
}

function parseTokenName(text: string): string {
  if (isTokenName(text)) return text;
  throw new InvalidArgumentError(
    `"${text}" is not a name; expected 1 to 64 printable characters with single spaces between them`,
  );
}

interface CreateOptions extends CommonOptions {
  readonly scope: TokenScope[];
  readonly expires?: number;
}

function buildCreateCommand(open: DatabaseOpener): Command {
  return buildCommand('create', 'make a token; its text is shown this once')
    .argument(
      '<NAME>',
      'the name of the holder, unique and printable; timelines show it',
      parseTokenName,
    )
    .requiredOption(
      '--scope <LIST>',
      'read, sell (includes read), admin (includes all), or metrics (/metrics alone)',
      parseScopes,
    )
    .option('--expires <DURATION>', 'ends after that, as 90d; without it never', parseDuration)
    .action((name: string, options: CreateOptions) =>
      withDatabase(open, options, async ({ db }) => {
        const order = { name, scopes: options.scope, lastsMs: options.expires };
        const { token, ...created } = await createToken(db, order, 'cli');
        printResult(options, { ...toTokenJson(created), token }, () =>
          [
            token,
            `for "${name}" (${created.scopes.join(', ')}), ${formatExpiry(created)}. It is not shown again; "perennial token revoke ${created.id}" ends it.`,
          ].join('\n'),
        );
      }),
    );
}

const formatExpiry = ({ expires_at }: TokenStatus): string =>
  expires_at === null ? 'without an end' : `until ${isoTime(expires_at)}`;

function buildListCommand(open: DatabaseOpener): Command {
  return buildCommand('list', 'tokens, without their secrets').action((options: CommonOptions) =>
    withDatabase(open, options, async ({ db }) => {
      const tokens = await listTokens(db);
      printResult(options, tokens.map(toTokenJson), () => formatTokens(tokens));
    }),
  );
}

function buildRevokeCommand(open: DatabaseOpener): Command {
  return buildCommand('revoke', 'end a token, at once')
    .argument('<ID>', 'as "token list" has it')
    .action((id: string, options: CommonOptions) =>
      withDatabase(open, options, async ({ db }) => {
        await revokeToken(db, id, 'cli');
        printResult(
          options,
          { id, revoked: true },
          () => `${id}: revoked; it opens nothing any more`,
        );
      }),
    );
}

const toIsoOrNull = (at: Instant | null): string | null => (at === null ? null : isoTime(at));

const toTokenJson = ({
  created_at,
  expires_at,
  revoked_at,
  last_used_at,
  ...token
}: TokenStatus) => ({
  ...token,
  created_at: isoTime(created_at),
  expires_at: toIsoOrNull(expires_at),
  revoked_at: toIsoOrNull(revoked_at),
  last_used_at: toIsoOrNull(last_used_at),
});

function formatTokens(tokens: readonly TokenStatus[]): string {
  if (tokens.length === 0) return 'no tokens yet; "perennial token create" makes one';
  const rows = tokens.map((token) => [
    token.id,
    token.name,
    token.scopes.join(', '),
    isoTime(token.created_at),
    toIsoOrNull(token.revoked_at) === null ? (toIsoOrNull(token.expires_at) ?? 'never') : 'revoked',
    toIsoOrNull(token.last_used_at) ?? 'never',
  ]);
  return formatTable([['ID', 'NAME', 'SCOPES', 'CREATED', 'EXPIRES', 'LAST USED'], ...rows]);
}
