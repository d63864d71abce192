// A client whose paths, parameters, bodies and answers have the types of the server's OpenAPI document.

import createClient, { type Client } from "openapi-fetch";

import type { components, paths } from "./schema.js";

export type { components, paths };

/** A shape of the document, such as `Schema<"LeadScore">`. */
export type Schema<Name extends keyof components["schemas"]> = components["schemas"][Name];

/** What every answer of 400 or above holds (RFC 9457); `code` is stable. */
export type Problem = Schema<"Problem">;

export interface Options {
  /** Where the server is, such as `https://leads.example.com`. */
  baseUrl: string;
  /** An API key, or a token from a log-in. Asked for anew with each request where it is a function. */
  token: string | (() => string | Promise<string>);
  /** Another `fetch` than the platform's. */
  fetch?: typeof globalThis.fetch;
}

/**
 * Makes a client. Each call resolves to `{ data }`, or to `{ error }` with the problem; it rejects only where the
 * server cannot be reached.
 */
export function leadscore(options: Options): Client<paths> {
  const { baseUrl, token, fetch } = options;
  const client = createClient<paths>({ baseUrl, ...(fetch && { fetch }) });
  client.use({
    async onRequest({ request }) {
      request.headers.set("authorization", `Bearer ${typeof token === "function" ? await token() : token}`);
      return request;
    },
  });
  return client;
}
