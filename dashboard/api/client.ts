import { hashKey, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import createClient, { type FetchOptions } from 'openapi-fetch';
import { ApiProblem } from './problem.ts';
import { withDuration } from './read-pace.ts';
import type { paths } from './schema.d.ts';

// Reads and changes of the API. The paths, the parameters and the answers have the types of the
// OpenAPI document (`schema.d.ts`).

type PathsWith<Method extends string> = {
  [Path in keyof paths]: paths[Path] extends Record<Method, { responses: unknown }> ? Path : never;
}[keyof paths];

export type ReadPath = PathsWith<'get'>;
export type ChangePath = PathsWith<'post'>;
export type PatchPath = PathsWith<'patch'>;

type AnswerOf<Operation> = Operation extends { responses: infer Responses }
  ? {
      [Status in keyof Responses]: Responses[Status] extends {
        content: { 'application/json': infer Answer };
      }
        ? Answer
        : never;
    }[keyof Responses]
  : never;

/** The answer of a GET. */
export type Answer<Path extends ReadPath> = AnswerOf<paths[Path]['get']>;
export type ChangeAnswer<Path extends ChangePath> = AnswerOf<paths[Path]['post']>;

/** The rows of a list. */
export type ItemOf<Path extends ReadPath> =
  Answer<Path> extends { items: (infer Item)[] } ? Item : never;

/** Parameters of a request: `path` and `query`. */
export interface RequestParams {
  readonly path?: Readonly<Record<string, string | number>>;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
}

const client = createClient<paths>({ baseUrl: '/', credentials: 'same-origin' });

/** @throws ApiProblem, also if no answer arrived (`offline`) */
async function request(
  method: 'GET' | 'POST' | 'PATCH',
  path: string,
  options: RequestParams & { readonly body?: unknown; readonly key?: string; signal?: AbortSignal },
): Promise<unknown> {
  const { key, body, signal, ...params } = options;
  const init = {
    params,
    ...(body !== undefined && { body }),
    ...(signal !== undefined && { signal }),
    ...(key !== undefined && { headers: { 'idempotency-key': key } }),
  } as unknown as FetchOptions<never>;
  const call = client[method] as (path: string, init: unknown) => Promise<FetchResult>;
  let result: FetchResult;
  try {
    result = await call(path, init);
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new ApiProblem(0, { type: 'offline' });
  }
  if (result.response.ok) return result.data;
  throw new ApiProblem(result.response.status, (result.error ?? {}) as object);
}

interface FetchResult {
  readonly data?: unknown;
  readonly error?: unknown;
  readonly response: Response;
}

export interface ReadOptions {
  /** False: no request. */
  readonly enabled?: boolean;
  /** Keep the rows of the previous parameters while the next ones load. */
  readonly keepsPrevious?: boolean;
  /** Repeated every 30 s, and not by live changes: it costs more than a page of rows. */
  readonly isSteady?: boolean;
  /** Read when the page asks, and not again by itself: the read takes seconds. */
  readonly isOnce?: boolean;
  /** Repeated also without a live change. */
  readonly everyMs?: number;
}

/** The third part of the key of a read that live changes do not repeat. */
export const steadyMark = 'steady';
/** The third part of the key of a read that only a person repeats. */
export const onceMark = 'once';
const steadyEveryMs = 30_000;

/**
 * Reads a route, and repeats the read after a live change (`shell/live.ts`). The first part of the
 * key is the path.
 */
export function useRead<Path extends ReadPath>(
  path: Path,
  params: RequestParams = {},
  options: ReadOptions = {},
) {
  const { enabled = true, keepsPrevious = false, isSteady = false, isOnce = false } = options;
  const { everyMs = isSteady ? steadyEveryMs : undefined } = options;
  const mark = isOnce ? onceMark : isSteady ? steadyMark : undefined;
  return useQuery<Answer<Path>, ApiProblem>({
    queryKey: mark === undefined ? [path, params] : [path, params, mark],
    queryFn: ({ signal, queryKey }) =>
      withDuration(hashKey(queryKey), () => readNow(path, params, signal)),
    enabled,
    ...(everyMs !== undefined && { refetchInterval: everyMs }),
    ...(isOnce && { staleTime: Number.POSITIVE_INFINITY }),
    ...(keepsPrevious && { placeholderData: (previous: Answer<Path> | undefined) => previous }),
  });
}

/** Reads a route outside of a component. @throws ApiProblem */
export const readNow = async <Path extends ReadPath>(
  path: Path,
  params: RequestParams,
  signal: AbortSignal,
): Promise<Answer<Path>> => (await request('GET', path, { ...params, signal })) as Answer<Path>;

/** Reads by POST what a change would do. It is read once for each opening of its dialog. */
export function usePreview<Path extends ChangePath>(
  path: Path,
  change: RequestParams & { readonly body?: unknown },
  enabled = true,
) {
  return useQuery<ChangeAnswer<Path>, ApiProblem>({
    queryKey: [path, change, onceMark],
    queryFn: async ({ signal }) =>
      (await request('POST', path, { ...change, signal })) as ChangeAnswer<Path>,
    enabled,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
}

/** A change by POST or PATCH. */
export interface Change extends RequestParams {
  readonly body?: unknown;
  /** The idempotency key: one for each decision of a person, the same for its repetitions. */
  readonly key?: string;
}

/** Sends a change. After it, all reads of this page are repeated. */
export function useChange<Path extends ChangePath>(path: Path) {
  return useSend<ChangeAnswer<Path>>('POST', path);
}

export function usePatch<Path extends PatchPath>(path: Path) {
  return useSend<AnswerOf<paths[Path]['patch']>>('PATCH', path);
}

/** A change whose path comes from the API, like the remedy of a problem. */
export function useSend<Result>(method: 'POST' | 'PATCH', path: string) {
  const queries = useQueryClient();
  return useMutation<Result, ApiProblem, Change>({
    mutationFn: async (change) => (await request(method, path, change)) as Result,
    // The preview of the change that was made would be refused.
    onSuccess: () =>
      queries.invalidateQueries({ predicate: ({ queryKey: [, , mark] }) => mark !== onceMark }),
  });
}
