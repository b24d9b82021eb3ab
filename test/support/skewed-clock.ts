// Loaded before the program by a test: this process's clock is off, as that of a machine whose
// time nobody keeps. The monotonic clock goes on as it is.
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
