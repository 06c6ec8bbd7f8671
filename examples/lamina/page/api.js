// SPDX-License-Identifier: Apache-2.0
// The server's interface: requests, streams of events, errors with their hints.
import { apiKey } from "./store.js";

/** An error that the server told, or that it could not be reached. */
export class ServerError extends Error {
  /**
   * @param {string} title
   * @param {string} detail
   * @param {number} status  0: no answer came
   */
  constructor(title, detail, status) {
    super(`${title}: ${detail}`);
    this.title = title;
    this.detail = detail;
    this.status = status;
  }
}

const titles = {
  400: "The server refuses the request",
  401: "The server asks for a key",
  404: "The server does not know this path",
  413: "The request is too long for the server",
  429: "The server is busy",
  500: "The server failed",
  503: "The server is stopping or out of memory",
};

/**
 * @param {number} status
 * @param {any} document  {"error": {"message", "param"}}
 * @param {string|null} [retryAfter]
 */
function errorOf(status, document, retryAfter) {
  const error = document?.error ?? {};
  let detail = typeof error.message === "string" ? error.message : "it says nothing more";
  if (error.param && !detail.includes(error.param)) detail += ` (field ${error.param})`;
  if (retryAfter) detail += `. Try again in ${retryAfter} s`;
  return new ServerError(titles[status] ?? `The server answers with status ${status}`, detail, status);
}

/** @param {unknown} cause */
function unreachable(cause) {
  const said = cause instanceof Error ? cause.message : String(cause);
  return new ServerError("The server cannot be reached", `is lamina serve still running? (${said})`, 0);
}

/** @param {AbortSignal} [signal] */
function rethrowAbort(cause, signal) {
  if (signal?.aborted) throw new DOMException("stopped", "AbortError");
  throw cause instanceof ServerError ? cause : unreachable(cause);
}

/**
 * @param {string} path
 * @param {{body?: any, signal?: AbortSignal}} [options]
 * @returns {Promise<Response>} with a good status
 */
export async function request(path, { body, signal } = {}) {
  /** @type {Record<string, string>} */
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (apiKey() !== "") headers.Authorization = `Bearer ${apiKey()}`;
  let response;
  try {
    response = await fetch(path, {
      method: body === undefined ? "GET" : "POST", headers, signal, cache: "no-store", credentials: "omit",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (cause) {
    return rethrowAbort(cause, signal);
  }
  if (response.ok) return response;
  const document = await response.json().catch(() => null);
  throw errorOf(response.status, document, response.headers.get("Retry-After"));
}

/**
 * @param {string} path
 * @returns {Promise<any>}
 */
export async function getJson(path) {
  const response = await request(path);
  try {
    return await response.json();
  } catch (cause) {
    throw unreachable(cause);
  }
}

/**
 * Numbers of /metrics, by name, without labels.
 * @returns {Promise<Record<string, number>>}
 */
export async function getMetrics() {
  const text = await (await request("/metrics")).text();
  /** @type {Record<string, number>} */
  const numbers = {};
  for (const line of text.split("\n")) {
    const found = /^lamina_([a-z_]+) (\S+)$/.exec(line);
    if (found) numbers[found[1]] = Number(found[2]);
  }
  return numbers;
}

/** Cuts a stream of server-sent events into the data of each. */
export class EventReader {
  constructor() {
    this.rest = "";
    /** @type {string[]} */
    this.lines = [];
  }

  /**
   * @param {string} text
   * @returns {string[]} data of the events that are whole now
   */
  push(text) {
    const events = [];
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") {
        if (this.lines.length > 0) events.push(this.lines.join("\n"));
        this.lines = [];
      } else if (line.startsWith("data:")) {
        this.lines.push(line.slice(line[5] === " " ? 6 : 5));
      }
    }
    return events;
  }
}

/**
 * Asks for an answer and hands over its pieces.
 * @param {any} body
 * @param {AbortSignal} signal
 * @param {(chunk: any) => void} take
 */
export async function streamChat(body, signal, take) {
  const response = await request("/v1/chat/completions", { body, signal });
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  const decoder = new TextDecoder();
  const events = new EventReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      for (const data of events.push(decoder.decode(value, { stream: !done }))) {
        if (data === "[DONE]") return;
        const chunk = JSON.parse(data);
        if (chunk.error) throw errorOf(chunk.error.code === "stopping" ? 503 : 500, chunk);
        take(chunk);
      }
      if (done) throw new ServerError("The answer broke off", "the server has gone away, or was stopped", 0);
    }
  } catch (cause) {
    rethrowAbort(cause, signal);
  } finally {
    reader.cancel().catch(() => {});
  }
}
