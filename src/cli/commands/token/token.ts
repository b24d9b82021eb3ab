import { Command, InvalidArgumentError } from 'commander';
import { dayMs, type Instant, isoTime, tryParseDurationMs } from '../../../kernel/instant.ts';
import { createToken, listTokens, revokeToken, type TokenStatus } from '../../../tokens/store.ts';
import { type TokenScope, tokenScopes } from '../../../tokens/token.ts';
import { parseTokenName } from '../../arguments.ts';
import {
  buildCommand,
  type CommonOptions,
  type DatabaseOpener,
  formatTable,
  printResult,
  withDatabase,
} from '../../command.ts';

/** `perennial token create|list|revoke`: the tokens of the HTTP API. */
export function buildTokenCommand(open: DatabaseOpener): Command {
  return new Command('token')
    .addCommand(buildCreateCommand(open))
    .addCommand(buildListCommand(open))
    .addCommand(buildRevokeCommand(open));
}

function parseScopes(text: string): TokenScope[] {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !(tokenScopes as readonly string[]).includes(name));
  if (unknown === undefined) return [...new Set(names)] as TokenScope[];
  throw new InvalidArgumentError(
    `"${unknown}" is not a scope; available: ${tokenScopes.join(', ')}`,
  );
}

/** A hundred years: a longer lifetime is a mistake. */
const longestMs = 36_500 * dayMs;

function parseDuration(text: string): number {
  const ms = tryParseDurationMs(text);
  if (ms !== undefined && ms > 0 && ms <= longestMs) return ms;
  throw new InvalidArgumentError(
    `"${text}" is not a duration of at most 36500d; expected one like 90d or 12h`,
  );
}

interface CreateOptions extends CommonOptions {
  readonly scope: TokenScope[];
  readonly expires?: number;
}

function buildCreateCommand(open: DatabaseOpener): Command {
  return buildCommand('create', 'create a token and print it once')
    .argument(
      '<NAME>',
      'name the holder of the token; unique, and shown in timelines',
      parseTokenName,
    )
    .requiredOption(
      '--scope <LIST>',
      'allow read, sell (includes read), admin (includes all) or metrics (/metrics only)',
      parseScopes,
    )
    .option(
      '--expires <DURATION>',
      'end the token after this time, like 90d [unlimited]',
      parseDuration,
    )
    .action((name: string, options: CreateOptions) =>
      withDatabase(open, options, async ({ db }) => {
        const order = { name, scopes: options.scope, lastsMs: options.expires };
        const { token, ...created } = await createToken(db, order, 'cli');
        printResult(options, { ...toTokenJson(created), token }, () =>
          [
            token,
            `for "${name}" (${created.scopes.join(', ')}), ${formatExpiry(created)}. It is not shown again. Revoke it with "perennial token revoke ${created.id}".`,
          ].join('\n'),
        );
      }),
    );
}

const formatExpiry = ({ expires_at }: TokenStatus): string =>
  expires_at === null ? 'unlimited' : `until ${isoTime(expires_at)}`;

function buildListCommand(open: DatabaseOpener): Command {
  return buildCommand('list', 'list tokens, without their secrets').action(
    (options: CommonOptions) =>
      withDatabase(open, options, async ({ db }) => {
        const tokens = await listTokens(db);
        printResult(options, tokens.map(toTokenJson), () => formatTokens(tokens));
      }),
  );
}

function buildRevokeCommand(open: DatabaseOpener): Command {
  return buildCommand('revoke', 'revoke a token at once')
    .argument('<ID>', 'revoke the token with this id, as "token list" prints it')
    .action((id: string, options: CommonOptions) =>
      withDatabase(open, options, async ({ db }) => {
        await revokeToken(db, id, 'cli');
        printResult(
          options,
          { id, revoked: true },
          () => `${id}: revoked; requests with it are refused from now on`,
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
  if (tokens.length === 0) return 'no tokens; create one with "perennial token create"';
  const rows = tokens.map((token) => [
    token.id,
    token.name,
    token.scopes.join(', '),
    isoTime(token.created_at),
    toIsoOrNull(token.revoked_at) === null ? (toIsoOrNull(token.expires_at) ?? 'never') : 'revoked',
    toIsoOrNull(token.last_used_at) ?? 'never',
  ]);
  return formatTable([['ID', 'NAME', 'SCOPES', 'CREATION', 'EXPIRY', 'LAST USE'], ...rows]);
}
