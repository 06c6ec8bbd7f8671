// SPDX-License-Identifier: Apache-2.0
// What the page talks to in tests: the program, or a few lines that answer as no honest model would.
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import http from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../", import.meta.url));
const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
// As strict as the program's own, which 'page_test.mjs' compares with this one.
export const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
  + "media-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Starts the program on any port. @param {string} binary @param {string[]} flags */
export async function startProgram(binary, flags = []) {
  const child = spawn(binary, ["serve", "--port", "0", "--threads", "2", ...flags], { stdio: ["ignore", "pipe", "inherit"] });
  const url = await new Promise((resolve, reject) => {
    let said = "";
    child.stdout.on("data", (bytes) => {
      said += bytes;
      const found = /listening on (http:\S+)/.exec(said);
      if (found) resolve(found[1]);
    });
    child.on("exit", (code) => reject(new Error(`the program ended with ${code}: ${said}`)));
  });
  const stop = () => new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.on("exit", resolve);
    child.kill("SIGKILL");
  });
  return { url, stop };
}

/**
 * Serves the page's files from disk, and hands everything else to `answer`, or to the server `upstream`: so the page can be
 * worked on without building the program again.
 * @param {{answer?: (request: any, response: any, body: string) => void, upstream?: string, port?: number}} options
 */
export async function startFiles({ answer, upstream, port = 0 }) {
  const server = http.createServer(async (request, response) => {
    const name = request.url === "/" ? "index.html" : path.basename(request.url);
    const type = types[path.extname(name)];
    if (request.method === "GET" && type) {
      const bytes = await readFile(path.join(root, "examples/lamina/page", name)).catch(() => null);
      response.writeHead(bytes ? 200 : 404, { "Content-Type": type, "Content-Security-Policy": policy, "Cache-Control": "no-store" });
      return response.end(bytes);
    }
    if (upstream) {
      const { hostname, port: to } = new URL(upstream);
      const onward = http.request({ hostname, port: to, path: request.url, method: request.method, headers: request.headers },
        (reply) => {
          response.writeHead(reply.statusCode, reply.headers);
          reply.pipe(response);
        });
      onward.on("error", () => response.destroy());
      response.on("close", () => onward.destroy());
      return request.pipe(onward);
    }
    let body = "";
    for await (const bytes of request) body += bytes;
    answer(request, response, body);
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  const stop = () => new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, stop };
}

/** One event of a stream. */
export const event = (delta, finish = null) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;

const usage = {
  choices: [],
  usage: { prompt_tokens: 812, completion_tokens: 240, total_tokens: 1052, prompt_tokens_details: { cached_tokens: 512 },
    completion_tokens_details: { reasoning_tokens: 61 } },
  timings: { predicted_per_second: 23.4 },
};

const schedule = {
  kinds: [
    { kind: "local", layers: 12, window: 512, experts: 0, bytes_per_token: 21e6, flops_per_token: 4e7, milliseconds: 0.62 },
    { kind: "global", layers: 3, window: 0, experts: 0, bytes_per_token: 24e6, flops_per_token: 5e7, milliseconds: 0.81 },
    { kind: "shared local", layers: 16, window: 512, experts: 0, bytes_per_token: 38e6, flops_per_token: 9e7, milliseconds: 1.02 },
    { kind: "shared global", layers: 4, window: 0, experts: 0, bytes_per_token: 41e6, flops_per_token: 1e8, milliseconds: 1.31 },
  ],
  layers: Array.from({ length: 35 }, (_, layer) => {
    const kind = `${layer >= 15 ? "shared " : ""}${layer % 5 === 4 ? "global" : "local"}`;
    return { layer, kind, kv_owner: layer < 15 ? layer : layer % 5 === 4 ? 14 : 13,
      milliseconds: { local: 0.62, global: 0.81, "shared local": 1.02, "shared global": 1.31 }[kind] };
  }),
};

/**
 * A server of answers that are given by hand.
 * @param {(request: any) => {pieces?: string[], stays?: boolean, status?: number, error?: any, breaks?: boolean}} script
 * @param {{key?: string}} [options]
 */
export async function startMock(script, { key } = {}) {
  /** @type {any[]} */
  const asked = [];
  const json = (response, status, document) => {
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(JSON.stringify(document));
  };
  const server = await startFiles({
    answer: (request, response, body) => {
      if (key && request.headers.authorization !== `Bearer ${key}`)
        return json(response, 401, { error: { message: "the API key is missing or wrong", code: "invalid_api_key" } });
      if (request.url === "/props")
        return json(response, 200, { model: "gemma-4-E2B-it-Q4_0", context: 8192, max_context: 131072, hidden: 1536, vocab: 262144,
          total_slots: 4, model_bytes: 3.2e9, engine_bytes: 4.1e8, layers: schedule.layers, build_info: "mock" });
      if (request.url === "/schedule") return json(response, 200, schedule);
      if (request.url === "/metrics") return response.end("lamina_resident_bytes 3650000000\nlamina_kept_bytes 52000000\nlamina_answer_tokens_total 1234\n");
      asked.push(JSON.parse(body));
      const { pieces = [], stays, status = 200, error, breaks } = script(asked[asked.length - 1]);
      if (error) return json(response, status, { error });
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      for (const piece of pieces) response.write(piece);
      if (breaks) return setTimeout(() => response.destroy(), 50);
      if (!stays) response.end(`data: ${JSON.stringify(usage)}\n\ndata: [DONE]\n\n`);
    },
  });
  return { ...server, asked };
}
