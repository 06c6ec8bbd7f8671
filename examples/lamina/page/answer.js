// SPDX-License-Identifier: Apache-2.0
// From a path of messages to a request, and from the pieces of an answer to a message.
import { settings } from "./settings.js";
import { pathTo } from "./tree.js";
import { declaredTools } from "./tools.js";

/**
 * @typedef {import("./tree.js").Conversation} Conversation
 * @typedef {import("./tree.js").Node} Node
 */

/** @param {import("./tree.js").Attachment} attachment */
function mediaPart(attachment) {
  if (attachment.kind === "image") return { type: "image_url", image_url: { url: attachment.url } };
  return { type: "input_audio", input_audio: { data: attachment.url.slice(attachment.url.indexOf(",") + 1), format: "wav" } };
}

/** @param {Node} node @returns {any[]} */
function messagesOf(node) {
  if (node.role === "results") {
    return (node.results ?? []).map((result) =>
      ({ role: "tool", tool_call_id: result.id, name: result.name, content: result.text }));
  }
  if (node.role === "user") {
    if (!node.media?.length) return [{ role: "user", content: node.text }];
    const words = node.text === "" ? [] : [{ type: "text", text: node.text }];
    return [{ role: "user", content: [...node.media.map(mediaPart), ...words] }];
  }
  /** @type {any} */
  const message = { role: "assistant", content: node.text };
  if (node.calls?.length) {
    message.tool_calls = node.calls.map((call) =>
      ({ id: call.id, type: "function", function: { name: call.name, arguments: call.arguments } }));
    if (node.thought) message.reasoning_content = node.thought;
  }
  return [message];
}

/**
 * The request whose answer comes below `parent`.
 * @param {Conversation} conversation
 * @param {string} parent
 */
export function requestOf(conversation, parent) {
  const messages = pathTo(conversation, parent).flatMap(messagesOf);
  if (settings.system.trim() !== "") messages.unshift({ role: "system", content: settings.system });
  /** @type {any} */
  const body = {
    messages, stream: true, stream_options: { include_usage: true }, return_progress: true,
    chat_template_kwargs: { enable_thinking: settings.thinking },
  };
  for (const name of ["temperature", "top_p", "top_k", "max_tokens", "seed"])
    if (settings[name] !== "") body[name] = Number(settings[name]);
  const tools = declaredTools();
  if (tools.length > 0) body.tools = tools;
  if (settings.schema.trim() !== "")
    body.response_format = { type: "json_schema", json_schema: { name: "answer", strict: true, schema: JSON.parse(settings.schema) } };
  return body;
}

/** @param {unknown} value */
const textOf = (value) => (typeof value === "string" ? value : "");

/**
 * Adds a piece of an answer to its message.
 * @param {Node} node
 * @param {any} chunk
 * @returns {string} text that is new
 */
export function applyChunk(node, chunk) {
  if (chunk.usage) node.usage = chunk.usage;
  if (chunk.timings) node.timings = chunk.timings;
  const choice = chunk.choices?.[0];
  if (!choice) return "";
  const delta = choice.delta ?? {};
  const text = textOf(delta.content);
  node.text += text;
  if (delta.reasoning_content) node.thought = (node.thought ?? "") + textOf(delta.reasoning_content);
  for (const piece of Array.isArray(delta.tool_calls) ? delta.tool_calls : []) applyCall(node, piece);
  if (choice.finish_reason === "length") node.status = "length";
  return text;
}

/**
 * Calls come whole from lamina, and in pieces from others.
 * @param {Node} node
 * @param {any} piece
 */
function applyCall(node, piece) {
  node.calls ??= [];
  const index = Number.isInteger(piece.index) ? piece.index : node.calls.length;
  if (index < 0 || index > node.calls.length) return;
  const call = (node.calls[index] ??= { id: "", name: "", arguments: "" });
  call.id ||= textOf(piece.id);
  call.name += textOf(piece.function?.name);
  call.arguments += textOf(piece.function?.arguments);
}

/**
 * How fast an answer came, in words.
 * @param {Node} node
 */
export function speedText(node) {
  const { timings, usage } = node;
  if (!timings || !usage) return "";
  const written = Number(usage.completion_tokens);
  const cached = Number(usage.prompt_tokens_details?.cached_tokens ?? 0);
  const parts = [`${written} ${written === 1 ? "token" : "tokens"}`];
  const speed = Number(timings.predicted_per_second);
  if (speed > 0) parts.push(`${speed.toFixed(1)} tokens/s`);
  parts.push(`prompt ${Number(usage.prompt_tokens)}${cached > 0 ? `, ${cached} known` : ""}`);
  return parts.join(" · ");
}
