import type { z } from 'zod';
import type { Db } from '../db/connect.ts';
import type { Log } from '../logging/log.ts';
import type { Caller } from '../subscription/store/command-context.ts';
import type { TokenScope } from '../tokens/token.ts';
import type { RequestHolder } from './holder.ts';

// A route is a value: path, scope, input and answer as schemas, and its function. The server checks
// requests by these schemas (`server.ts`). The OpenAPI document is generated from them
// (`openapi.ts`). A test compares the answers with them.

/** The context of a route. */
export interface RouteContext {
  /** For a GET the pool of its reads, else the pool of the commands. */
  readonly db: Db;
  /** Reads of one customer, quotes and links, with a separate limit. */
  readonly reads: Db;
  /** Lists and metrics, which may read many rows, with a separate limit. */
  readonly lists: Db;
  readonly url: string;
  readonly log: Log;
  /** The currency of a customer who is created without one. */
  readonly currency: string;
}

export interface RouteRequest<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly holder: RequestHolder;
  /** The caller of a command: actor and idempotency key. */
  readonly caller: Caller;
  /** Aborts if the client disconnects or the service ends. */
  readonly signal: AbortSignal;
}

/** A download, read while it is sent. */
export interface CsvFile {
  readonly name: string;
  readonly chunks: AsyncGenerator<string>;
}

type Shape = z.ZodType<object>;
type OutputOf<S> = S extends z.ZodType ? z.output<S> : undefined;

export interface TypedRoute<
  P extends Shape | undefined,
  Q extends Shape | undefined,
  B extends Shape | undefined,
  A extends z.ZodType,
> {
  readonly method: 'GET' | 'POST' | 'PATCH';
  /** The route confirms the time, so it does not wait for a confirmation. */
  readonly confirmsTime?: boolean;
  /** In the form of OpenAPI: `/v1/customers/{telegram_id}`. */
  readonly path: string;
  /** The name of the operation in the OpenAPI document. */
  readonly id: string;
  readonly tag: string;
  readonly summary: string;
  readonly scope: TokenScope;
  /** Moves money or rights: an Idempotency-Key is required. */
  readonly keyed?: boolean;
  /** A GET that may read many rows: it uses the pool of lists. */
  readonly isList?: boolean;
  /** The answer takes as long as the data require: until then its connection may be silent. */
  readonly isLong?: boolean;
  /** The columns of the items as CSV, with `format=csv` or `Accept: text/csv`. */
  readonly csvColumns?: readonly string[];
  /**
   * The answer is a `CsvFile`. Its text is not searched for secrets, so the route needs a scope
   * that may see them.
   */
  readonly isCsvFile?: boolean;
  readonly status?: 200 | 201 | 202;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  readonly answer: A;
  /** Codes of the refusals of this route; those of every route are added. */
  readonly refusals?: readonly string[];
  handle(
    context: RouteContext,
    request: RouteRequest<OutputOf<P>, OutputOf<Q>, OutputOf<B>>,
  ): Promise<z.input<A>>;
}

export type Route = TypedRoute<Shape | undefined, Shape | undefined, Shape | undefined, z.ZodType>;

/** Gives a route its types from its schemas. */
export function defineRoute<
  A extends z.ZodType,
  P extends Shape | undefined = undefined,
  Q extends Shape | undefined = undefined,
  B extends Shape | undefined = undefined,
>(definition: TypedRoute<P, Q, B, A>): Route {
  return definition as unknown as Route;
}
