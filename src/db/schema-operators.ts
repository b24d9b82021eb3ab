import type { MaybeTime, Time } from './columns.ts';

// Tables of the operators of the dashboard. Their times are those of the server.

export type OperatorRole = 'read' | 'sell' | 'admin';

export interface OperatorLinkTable {
  id: string;
  name: string;
  scope: OperatorRole;
  hash: Buffer;
  created_at: Time;
  expires_at: Time;
  revoked_at: MaybeTime;
}

export interface OperatorSessionTable {
  id: string;
  link_id: string;
  name: string;
  scope: OperatorRole;
  hash: Buffer;
  created_at: Time;
  expires_at: Time;
  ended_at: MaybeTime;
  last_used_at: MaybeTime;
}
