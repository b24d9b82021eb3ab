/** The part of a log that keepers use. Tests and the demo pass other logs. */
export interface KeeperLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
