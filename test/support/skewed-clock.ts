// A module that a test loads before the program. It moves the clock of the process, like a machine
// without time synchronization. The monotonic clock is unchanged.
const skewMs = Number(process.env.SKEW_MS ?? 0);
const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...given: []) {
    super(...((given.length === 0 ? [RealDate.now() + skewMs] : given) as []));
  }
  static override now(): number {
    return RealDate.now() + skewMs;
  }
} as DateConstructor;
