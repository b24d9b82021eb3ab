import { openPool } from './connect.ts';

/** A connection that only asks whether the database takes changes. */
export interface StandbyProbe {
  /** @throws an error of the driver if the database does not answer in time */
  isStandby(): Promise<boolean>;
  close(): Promise<void>;
}

/** Opens no connection before its first use. @param answerMs limit of connection and answer */
export function openStandbyProbe(url: string, answerMs: number): StandbyProbe {
  const limits = { statementMs: answerMs, lockMs: answerMs, idleInTransactionMs: answerMs };
  const pool = openPool(url, { connectionsMax: 1, waitMs: answerMs, answerMs, limits });
  return {
    async isStandby() {
      const { rows } = await pool.query('SELECT pg_is_in_recovery() AS "isStandby"');
      return rows[0].isStandby;
    },
    close: () => pool.end(),
  };
}
