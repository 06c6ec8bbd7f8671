// SPDX-License-Identifier: Apache-2.0
// A conversation as a tree of messages: every edit and every other answer is a branch.

/**
 * @typedef {{kind: "image"|"audio", url: string, name: string}} Attachment
 * @typedef {{id: string, name: string, arguments: string}} Call
 * @typedef {{id: string, name: string, text: string}} CallResult
 * @typedef {"done"|"streaming"|"stopped"|"length"|"error"} NodeStatus
 */

/**
 * @typedef {object} Node
 * @property {string} id
 * @property {string} parent  "" at the root
 * @property {"user"|"assistant"|"results"} role
 * @property {number} created  milliseconds since 1970
 * @property {string} text
 * @property {Attachment[]} [media]
 * @property {string} [thought]
 * @property {Call[]} [calls]
 * @property {CallResult[]} [results]
 * @property {NodeStatus} [status]
 * @property {{title: string, detail: string}} [error]
 * @property {Record<string, any>} [usage]
 * @property {Record<string, any>} [timings]
 */

/**
 * @typedef {object} Conversation
 * @property {string} id
 * @property {string} title
 * @property {boolean} named  by the user
 * @property {number} created
 * @property {number} updated
 * @property {Record<string, Node>} nodes
 * @property {Record<string, string>} selected  child that is shown, by parent; "" is the root
 */

/** @returns {string} */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @returns {Conversation} */
export function newConversation() {
  const now = Date.now();
  return { id: newId(), title: "New conversation", named: false, created: now, updated: now, nodes: {}, selected: {} };
}

/**
 * Adds a message below `parent`, and shows it.
 * @param {Conversation} conversation
 * @param {string} parent
 * @param {Partial<Node> & {role: Node["role"]}} fields
 * @returns {Node}
 */
export function addNode(conversation, parent, fields) {
  const node = { text: "", ...fields, id: newId(), parent, created: Date.now() };
  conversation.nodes[node.id] = node;
  conversation.selected[parent] = node.id;
  conversation.updated = node.created;
  if (!conversation.named && parent === "" && node.role === "user") conversation.title = titleOf(node);
  return node;
}

/** @param {Node} node */
function titleOf(node) {
  const line = node.text.trim().split("\n", 1)[0].trim();
  if (line === "") return node.media?.length ? `A ${node.media[0].kind === "image" ? "picture" : "sound"}` : "New conversation";
  const letters = Array.from(line);
  return letters.length > 60 ? `${letters.slice(0, 59).join("")}…` : line;
}

/**
 * Children of a message, oldest first.
 * @param {Conversation} conversation
 * @param {string} parent
 */
export function childrenOf(conversation, parent) {
  return Object.values(conversation.nodes).filter((node) => node.parent === parent).sort((a, b) => a.created - b.created);
}

/**
 * The messages that are shown: from the root along what is selected.
 * @param {Conversation} conversation
 * @returns {Node[]}
 */
export function shownPath(conversation) {
  const path = [];
  const seen = new Set();
  let at = "";
  for (;;) {
    const id = conversation.selected[at];
    const node = id === undefined ? undefined : conversation.nodes[id];
    if (!node || seen.has(id)) return path;
    seen.add(id);
    path.push(node);
    at = id;
  }
}

/**
 * The messages from the root to `id`.
 * @param {Conversation} conversation
 * @param {string} id
 * @returns {Node[]}
 */
export function pathTo(conversation, id) {
  const path = [];
  for (let node = conversation.nodes[id]; node; node = conversation.nodes[node.parent]) path.unshift(node);
  return path;
}

/**
 * Which of its siblings a message is.
 * @param {Conversation} conversation
 * @param {Node} node
 */
export function placeOf(conversation, node) {
  const siblings = childrenOf(conversation, node.parent);
  return { index: siblings.findIndex((one) => one.id === node.id), count: siblings.length, siblings };
}

/**
 * Shows the sibling `step` further on. False if there is none.
 * @param {Conversation} conversation
 * @param {Node} node
 * @param {number} step
 */
export function stepBranch(conversation, node, step) {
  const { index, siblings } = placeOf(conversation, node);
  const next = siblings[index + step];
  if (!next) return false;
  conversation.selected[node.parent] = next.id;
  return true;
}

/**
 * Takes a message and everything below it away; shows its last sibling instead.
 * @param {Conversation} conversation
 * @param {Node} node
 */
export function removeNode(conversation, node) {
  const left = [node.id];
  for (let id = left.pop(); id !== undefined; id = left.pop()) {
    left.push(...childrenOf(conversation, id).map((child) => child.id));
    delete conversation.nodes[id];
    delete conversation.selected[id];
  }
  const siblings = childrenOf(conversation, node.parent);
  if (siblings.length === 0) delete conversation.selected[node.parent];
  else conversation.selected[node.parent] = siblings[siblings.length - 1].id;
}
