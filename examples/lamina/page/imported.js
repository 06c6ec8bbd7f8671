// SPDX-License-Identifier: Apache-2.0
// Conversations from files that the page has exported. Whatever a file holds, what comes out is a tree of messages.
import { newId } from "./tree.js";

/**
 * @typedef {import("./tree.js").Conversation} Conversation
 * @typedef {import("./tree.js").Node} Node
 */

export const mostBytes = 2e8;
const mostMessages = 20000;
const roles = ["user", "assistant", "results"];
const statuses = ["done", "stopped", "length", "error"];

/** What is wrong with a file, for its user. */
class Refusal extends Error {}

/** @param {boolean} holds @param {string} words */
function check(holds, words) {
  if (!holds) throw new Refusal(words);
}
/** @param {any} value @returns {boolean} */
const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
/** @param {any} value @param {string} where @returns {string} */
function text(value, where) {
  check(typeof value === "string", `${where} is no text.`);
  return value;
}
/** @param {any} value @param {string} where @returns {any[]} */
function list(value, where) {
  check(Array.isArray(value), `${where} is no list.`);
  return value;
}
/** Numbers of an object, nothing else. @param {any} value */
function numbers(value) {
  if (!isObject(value)) return undefined;
  return Object.fromEntries(Object.entries(value).filter(([, number]) => Number.isFinite(number)));
}
/** A point in time that is none is now. @param {any} value */
const time = (value) => (Number.isFinite(value) && value > 0 ? value : Date.now());

/** @param {any} media @param {string} where @returns {import("./tree.js").Attachment} */
function attachment(media, where) {
  check(isObject(media) && (media.kind === "image" || media.kind === "audio"), `${where} is no picture or sound.`);
  const url = text(media.url, `${where}.url`);
  // An address of elsewhere would be asked for it.
  check(url.startsWith(`data:${media.kind}/`), `${where}.url is no data URL of its kind.`);
  return { kind: media.kind, url, name: text(media.name, `${where}.name`) };
}

/** @param {any} from @param {string} where @returns {Partial<Node>} */
function contents(from, where) {
  /** @type {Partial<Node>} */
  const node = { role: from.role, text: text(from.text, `${where}.text`), created: time(from.created) };
  if (from.media !== undefined) node.media = list(from.media, `${where}.media`).map((one, i) => attachment(one, `${where}.media[${i}]`));
  if (from.thought !== undefined) node.thought = text(from.thought, `${where}.thought`);
  if (from.calls !== undefined) {
    node.calls = list(from.calls, `${where}.calls`).map((call) => ({
      id: text(call?.id, `${where}.calls.id`), name: text(call?.name, `${where}.calls.name`),
      arguments: text(call?.arguments, `${where}.calls.arguments`),
    }));
  }
  if (from.results !== undefined) {
    node.results = list(from.results, `${where}.results`).map((result) => ({
      id: text(result?.id, `${where}.results.id`), name: text(result?.name, `${where}.results.name`),
      text: text(result?.text, `${where}.results.text`),
    }));
  }
  if (from.status !== undefined) node.status = statuses.includes(from.status) ? from.status : "stopped";
  if (isObject(from.error)) node.error = { title: text(from.error.title, `${where}.error`), detail: text(from.error.detail, `${where}.error`) };
  if (from.usage !== undefined) node.usage = numbers(from.usage);
  if (from.timings !== undefined) node.timings = numbers(from.timings);
  return node;
}

/**
 * Reads an exported conversation; it gets new ids, so that it stands beside the one that it was.
 * @param {string} file  its text
 * @returns {Conversation}
 * @throws {Error} with words for the user
 */
export function readExported(file) {
  check(file.length <= mostBytes, "The file is too long.");
  /** @type {any} */
  let from;
  try {
    from = JSON.parse(file);
  } catch {
    throw new Refusal("The file is no JSON.");
  }
  check(isObject(from) && isObject(from.nodes), "The file is no conversation of this page.");
  const given = Object.entries(from.nodes);
  check(given.length > 0, "The conversation has no messages.");
  check(given.length <= mostMessages, "The conversation has too many messages.");
  const ids = new Map(given.map(([id]) => [id, newId()]));
  /** @param {any} id @returns {string|undefined} */
  const renamed = (id) => (id === "" ? "" : ids.get(id));
  /** @type {Conversation} */
  const made = { id: newId(), title: text(from.title, "The title").slice(0, 400), named: from.named === true,
    created: time(from.created), updated: Date.now(), nodes: {}, selected: {} };
  for (const [id, node] of given) {
    const where = `Message ${id.slice(0, 24)}`;
    check(isObject(node) && roles.includes(node.role), `${where} has no role of this page.`);
    const parent = renamed(node.parent);
    check(parent !== undefined, `${where} stands below a message that is missing.`);
    const own = /** @type {string} */ (ids.get(id));
    made.nodes[own] = /** @type {Node} */ ({ ...contents(node, where), id: own, parent });
  }
  // Every message hangs from the root: who goes up from it arrives.
  const rooted = new Set([""]);
  for (const start of Object.values(made.nodes)) {
    const path = [];
    let at = start.id;
    for (; !rooted.has(at); at = made.nodes[at].parent) {
      check(path.length <= given.length, "Some messages stand below themselves.");
      path.push(at);
    }
    path.forEach((id) => rooted.add(id));
  }
  // What is shown: as in the file, else the last.
  for (const node of Object.values(made.nodes).sort((a, b) => a.created - b.created)) made.selected[node.parent] = node.id;
  for (const [parent, child] of Object.entries(isObject(from.selected) ? from.selected : {})) {
    const under = renamed(parent);
    const shown = renamed(child);
    if (under !== undefined && shown && made.nodes[shown].parent === under) made.selected[under] = shown;
  }
  return made;
}
