import { sql } from 'kysely';
import type { CredentialId } from '../../src/kernel/ids.ts';
import type { Instant } from '../../src/kernel/instant.ts';
import type { Life, World, WorldNode } from './world.ts';

// Nobody with a running subscription is without access on a node that is up and seeded, and nobody
// else has it there. What the nodes would let in is looked at after every step:
//
// - who may connect, and has no mark on a node that was filled in this life, can connect there;
// - who could connect, and may ever since, still can, whatever is marked, replaced or restored, as
//   long as that node lives;
// - who may not connect, and has no mark there, can't.

interface Owed {
  readonly node: string;
  readonly id: CredentialId;
  /** Nothing about it is left to be told, and the node was filled after this start. */
  readonly told: boolean;
  readonly boot: Instant | null;
}

const idOf = (name: string) => name.slice('perennial-'.length) as CredentialId;

export class Watch {
  readonly #world: World;
  /** Those of whom it is known that they can connect, by node, in this life of it. */
  readonly #held = new Map<string, { readonly life: Life; readonly ids: Set<CredentialId> }>();
  readonly wrong: string[] = [];
  judged = 0;

  constructor(world: World) {
    this.#world = world;
  }

  async look(after: string): Promise<void> {
    const lives = new Map(this.#world.nodes.map(({ id, life }) => [id, life]));
    const owed = await this.#owed();
    for (const which of this.#world.nodes) {
      const life = lives.get(which.id);
      if (life !== which.life || !which.node.up()) this.#held.delete(which.id);
      else
        await this.#lookAt(
          which,
          owed.filter(({ node }) => node === which.id),
          after,
        );
    }
  }

  async #lookAt(which: WorldNode, owed: readonly Owed[], after: string): Promise<void> {
    const { life, id: node } = which;
    const before = this.#held.get(node);
    const held = before?.life === life ? before.ids : new Set<CredentialId>();
    const ids = new Set<CredentialId>();
    for (const each of owed) {
      const isTold = each.told && each.boot !== life.bootBefore && !life.unsure;
      if (!isTold && !held.has(each.id)) continue;
      this.judged += 1;
      ids.add(each.id);
      if (which.node.admits('vless', each.id)) continue;
      const wasHeld = held.has(each.id);
      if (!(await this.#isStillOwed(which, life, each, wasHeld))) continue;
      const why = wasHeld ? 'could connect before' : 'has no mark';
      this.#blame(after, `${node} shuts out ${each.id}, who ${why}`);
    }
    this.#held.set(node, { life, ids });
    const wanted = new Set(owed.map(({ id }) => id));
    const others = which.node.names('vless').filter((name) => !wanted.has(idOf(name)));
    for (const name of others) {
      this.judged += 1;
      if (await this.#isLetIn(which, life, idOf(name))) {
        this.#blame(after, `${node} lets ${idOf(name)} in, who has no mark`);
      }
    }
  }

  /** Each once: what is wrong stays so. */
  #blame(after: string, what: string): void {
    if (!this.wrong.some((said) => said.endsWith(what))) this.wrong.push(`${after}: ${what}`);
  }

  /** Somebody who may not connect, about whom nothing is left to be told, and who can all the same. */
  async #isLetIn(which: WorldNode, life: Life, id: CredentialId): Promise<boolean> {
    const { rows } = await sql<{ boot: Instant | null }>`
      SELECT n.boot_at AS boot FROM perennial.node n
      WHERE n.id = ${which.id} AND n.seeded_boot_at = n.boot_at
        AND NOT EXISTS (SELECT FROM perennial.access_sync m
          WHERE m.node_id = n.id AND m.credential_id = ${id})`.execute(this.#world.books.db);
    const isKnown = rows[0] !== undefined && rows[0].boot !== life.bootBefore && !life.unsure;
    const isOwed = (await this.#owed(id)).some(({ node }) => node === which.id);
    return isKnown && !isOwed && which.life === life && which.node.admits('vless', id);
  }

  /** What was read is older than what was tried; nothing but the keepers does anything meanwhile. */
  async #isStillOwed(
    which: WorldNode,
    life: Life,
    { id, boot }: Owed,
    wasHeld: boolean,
  ): Promise<boolean> {
    const still = (await this.#owed(id)).find((each) => each.node === which.id);
    if (still === undefined || !which.node.up() || which.life !== life) return false;
    return wasHeld || (still.told && still.boot === boot && !which.node.admits('vless', id));
  }

  async #owed(only?: CredentialId): Promise<readonly Owed[]> {
    const { rows } = await sql<Owed>`
      SELECT n.id AS node, c.id, n.boot_at AS boot,
        n.seeded_boot_at IS NOT DISTINCT FROM n.boot_at AND NOT EXISTS (
          SELECT FROM perennial.access_sync m
          WHERE m.node_id = n.id AND m.credential_id = c.id) AS told
      FROM perennial.credential c
      JOIN perennial.subscription s ON s.id = c.subscription_id AND s.state = 'active'
      JOIN perennial.plan p ON p.key = s.plan
      JOIN perennial.node n ON p.groups && n.groups
      WHERE c.retired_at IS NULL
        AND (${only ?? null}::uuid IS NULL OR c.id = ${only ?? null}::uuid)`.execute(
      this.#world.books.db,
    );
    return rows;
  }
}
