import { expect, test } from 'vitest';
import type { AuditReport } from '../../../../../src/audit/audit.ts';
import { buildAuditCommand } from '../../../../../src/cli/commands/audit/audit.ts';
import { formatAuditHtml } from '../../../../../src/cli/output/audit-html.ts';
import { formatAuditMarkdown, formatAuditText } from '../../../../../src/cli/output/audit-text.ts';
import { instant } from '../../../../../src/kernel/instant.ts';
import { runCommand } from '../../../../support/command-line.ts';
import { type AuditScene, corrupt, createScenes } from '../../../../support/corruption.ts';
import type { TestDatabase } from '../../../../support/database.ts';

const runAudit = (database: TestDatabase, ...options: string[]) =>
  runCommand(buildAuditCommand, database, options);

test('the command confirms a database without violations, or names the violation and exits with 1', async () => {
  const { database, scenes } = await createScenes(1);
  await using _ = database;
  const { victim } = scenes[0] as AuditScene;
  const clean = await runAudit(database);
  expect(clean.out).toMatch(/✓ a balance is the sum of its ledger\n[\s\S]*The database is ok: all/);
  expect(clean.code).toBeUndefined();
  const { ok, checks } = JSON.parse((await runAudit(database, '--json')).out);
  expect(ok).toBe(true);
  expect(checks[0]).toMatchObject({ id: 'balance-is-its-ledger', promise: 1, violations: 0 });

  await corrupt(
    database.url,
    `UPDATE customer SET balance_minor = balance_minor + 1 WHERE id = ${victim.customer}`,
  );
  const violated = await runAudit(database);
  expect(violated.code).toBe(1);
  expect(violated.out).toContain(`✗ a balance is the sum of its ledger: 1 violation`);
  expect(violated.out).toContain(
    `customer ${victim.telegramId}, customer row ${victim.customer}: the balance is 500.01 RUB, the sum of its ledger is 500.00 RUB`,
  );
  const json = JSON.parse((await runAudit(database, '--format', 'json')).out);
  expect(json).toMatchObject({ ok: false, now: '2026-11-24T09:00:00.000Z' });
  expect(json.checks[0]).toMatchObject({
    violations: 1,
    sample: [
      { telegram_id: Number(victim.telegramId), rows: { customer: [Number(victim.customer)] } },
    ],
  });
  expect((await runAudit(database, '--format', 'markdown')).out).toMatch(
    /^# Audit\n\nThe database has \d+ violations? of \d+ checks?\./,
  );
  expect((await runAudit(database, '--format', 'html')).out).toMatch(
    /^<!doctype html>[\s\S]*<\/html>\n$/,
  );
});

const report: AuditReport = {
  ok: false,
  now: instant(0),
  rowCounts: { ledger_entry: 1_234n },
  nodesDown: [{ node: 'nl-1', downSince: instant(0), error: null, toAdd: 1, toRemove: 2_000 }],
  tookMs: 1_234,
  checks: [
    { id: 'fine', promise: 1, title: 'this holds', violations: 0n, sample: [], tookMs: 1 },
    {
      id: 'odd',
      promise: null,
      title: 'this does not',
      violations: 22n,
      tookMs: 1,
      sample: [
        {
          telegramId: null,
          rows: { period: [1n, 2n] },
          sentence: '<script>alert("it\'s")</script> | & *',
        },
      ],
    },
  ],
};

test('each format prints a value of the database as text, also if it contains markup', () => {
  expect(formatAuditText(report)).toBe(`Promise 1: conservation
  ✓ this holds

Impossible states
  ✗ this does not: 22 violations (odd)
      no customer, period 1 and 2: <script>alert("it's")</script> | & *
      and 21 more

The database has 22 violations of 1 check. Checked 1,234 ledger entries as of 1970-01-01T00:00:00.000Z in 1.2 s.
Node nl-1 has been down since 1970-01-01T00:00:00.000Z. Pending: 1 user to add, 2,000 to remove.`);
  expect(formatAuditMarkdown(report)).toContain(
    '- no customer, period 1 and 2: \\<script\\>alert("it\'s")\\</script\\> \\| & \\*',
  );
  const html = formatAuditHtml(report);
  expect(html).toContain("&lt;script&gt;alert(&quot;it's&quot;)&lt;/script&gt; | &amp; *");
  expect(html).not.toContain('<script');
  expect(html).toContain('Node nl-1 has been down since');
});
