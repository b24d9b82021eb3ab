/** A refusal or a fault of the API, as RFC 9457. */
export class ApiProblem extends Error {
  readonly status: number;
  /** The code of the refusal, for example `short_balance`; `offline` without an answer. */
  readonly code: string;
  readonly places: readonly { readonly place: string; readonly detail: string }[];

  constructor(status: number, body: Partial<ProblemBody>) {
    super(body.detail ?? '');
    this.status = status;
    this.code = (body.type ?? 'urn:perennial:problem:internal').replace(/^.*:/, '');
    this.places = body.errors ?? [];
  }
}

interface ProblemBody {
  readonly type: string;
  readonly detail: string;
  readonly errors: readonly { readonly place: string; readonly detail: string }[];
}
