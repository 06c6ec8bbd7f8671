// SPDX-License-Identifier: Apache-2.0
// The conversation on the page: shows its messages, asks for answers, keeps it.
import { applyChunk, requestOf } from "./answer.js";
import { streamChat, ServerError } from "./api.js";
import { announce, byId, toast } from "./dom.js";
import { MessageView } from "./message_view.js";
import { keep } from "./store.js";
import { addNode, newConversation, placeOf, removeNode, shownPath, stepBranch } from "./tree.js";

/**
 * @typedef {import("./tree.js").Conversation} Conversation
 * @typedef {import("./tree.js").Node} Node
 * @typedef {{conversation: Conversation, node: Node, controller: AbortController, progress: string}} Stream
 */

const saveMilliseconds = 700;
const drawMilliseconds = 60;
const nearEnd = 80;

export class Chat {
  /**
   * @param {import("./store.js").Store} store
   * @param {{listChanged: () => void, stateChanged: () => void, answered: () => void, needsKey: () => Promise<boolean>}} hooks
   */
  constructor(store, hooks) {
    this.store = store;
    this.hooks = hooks;
    this.conversation = newConversation();
    /** @type {Map<string, Stream>} by conversation */
    this.streams = new Map();
    /** @type {Map<string, MessageView>} */
    this.views = new Map();
    this.list = byId("messages");
    this.scroller = byId("scroller");
    this.follows = true;
    this.scroller.addEventListener("scroll", () => this.noteScroll(), { passive: true });
    new ResizeObserver(() => this.scrollToEnd()).observe(this.scroller);
    window.addEventListener("pagehide", () => this.saveStreams());
  }

  get isBusy() {
    return this.streams.has(this.conversation.id);
  }

  /** The messages that are shown. */
  get path() {
    return shownPath(this.conversation);
  }

  /** @param {Conversation} conversation */
  open(conversation) {
    this.conversation = this.streams.get(conversation.id)?.conversation ?? conversation;
    for (const node of Object.values(this.conversation.nodes)) {
      // The page was closed while the answer came.
      if (node.status === "streaming" && !this.isBusy) node.status = "stopped";
    }
    keep("open", conversation.id);
    this.views.clear();
    this.follows = true;
    this.render();
  }

  /** @param {Conversation} conversation */
  async save(conversation) {
    try {
      await this.store.save(conversation);
    } catch (cause) {
      toast(`The conversation could not be kept: ${cause instanceof Error ? cause.message : cause}`, "error");
    }
  }

  render() {
    const path = this.path;
    const actions = {
      regenerate: (/** @type {Node} */ node) => this.regenerate(node),
      edit: (/** @type {Node} */ node, /** @type {string} */ text) => this.edit(node, text),
      step: (/** @type {Node} */ node, /** @type {number} */ by) => this.step(node, by),
      giveResults: (/** @type {Node} */ node, /** @type {any} */ results) => this.giveResults(node, results),
    };
    const roots = path.map((node, i) => {
      let view = this.views.get(node.id);
      if (!view) this.views.set(node.id, (view = new MessageView(node, actions)));
      view.update(placeOf(this.conversation, node), i + 1 === path.length, this.isBusy);
      return view.root;
    });
    // Those that stay are not moved: they keep the focus.
    [...this.list.children].forEach((child) => roots.includes(/** @type {any} */ (child)) || child.remove());
    roots.forEach((root, i) => this.list.children[i] === root || this.list.insertBefore(root, this.list.children[i] ?? null));
    byId("welcome").hidden = path.length > 0;
    byId("title").textContent = this.conversation.title;
    document.title = path.length > 0 ? `${this.conversation.title} – lamina` : "lamina";
    this.hooks.stateChanged();
    this.scrollToEnd();
  }

  /** Draws what came, some times a second. @param {Stream} stream */
  drawSoon(stream) {
    if (this.drawTimer) return;
    this.drawTimer = setTimeout(() => {
      this.drawTimer = 0;
      this.draw(stream);
    }, drawMilliseconds);
  }

  /** Keeps what has come of all answers, at once or in a while. */
  saveStreams() {
    this.saveTimer = 0;
    for (const stream of this.streams.values()) this.save(stream.conversation);
  }
  saveSoon() {
    this.saveTimer ||= setTimeout(() => this.saveStreams(), saveMilliseconds);
  }

  /** @param {Stream} stream */
  draw(stream) {
    if (stream.conversation !== this.conversation) return;
    const view = this.views.get(stream.node.id);
    view?.showText();
    view?.showCalls();
    if (stream.node.status === "streaming") view?.showProgress(stream.progress);
    this.scrollToEnd();
  }

  noteScroll() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    this.follows = scrollHeight - scrollTop - clientHeight < nearEnd;
    byId("to-end").hidden = this.follows;
  }

  scrollToEnd(always = false) {
    if (always) this.follows = true;
    if (this.follows) this.scroller.scrollTop = this.scroller.scrollHeight;
    byId("to-end").hidden = this.follows;
  }

  /**
   * @param {string} text
   * @param {import("./tree.js").Attachment[]} media
   */
  send(text, media) {
    const path = this.path;
    let parent = path[path.length - 1]?.id ?? "";
    const last = path[path.length - 1];
    // An answer that failed before its first word stands for nothing.
    if (last?.status === "error" && !last.text && !last.thought && !last.calls?.length) {
      parent = last.parent;
      removeNode(this.conversation, last);
      this.views.delete(last.id);
    }
    const node = addNode(this.conversation, parent, { role: "user", text, ...(media.length > 0 ? { media } : {}) });
    return this.generate(node.id);
  }

  /** @param {Node} node @param {string} text */
  edit(node, text) {
    if (this.isBusy) return;
    const made = addNode(this.conversation, node.parent, { role: "user", text, ...(node.media ? { media: node.media } : {}) });
    return this.generate(made.id);
  }

  /**
   * Results below the answer that asked for them, or in place of those that were given.
   * @param {Node} node @param {import("./tree.js").CallResult[]} results
   */
  giveResults(node, results) {
    if (this.isBusy) return;
    const parent = node.role === "assistant" ? node.id : node.parent;
    return this.generate(addNode(this.conversation, parent, { role: "results", results }).id);
  }

  /** Another answer beside `node`; one that failed without a word is replaced. @param {Node} node */
  regenerate(node) {
    if (this.isBusy) return;
    const { parent } = node;
    if (node.status === "error" && !node.text && !node.thought && !node.calls?.length) {
      removeNode(this.conversation, node);
      this.views.delete(node.id);
    }
    return this.generate(parent);
  }

  /** @param {Node} node @param {number} by */
  step(node, by) {
    if (this.isBusy || !stepBranch(this.conversation, node, by)) return false;
    this.save(this.conversation);
    this.follows = false;
    const heard = document.activeElement?.closest(".branch") !== null;
    this.render();
    const shown = this.conversation.nodes[this.conversation.selected[node.parent]];
    const place = placeOf(this.conversation, shown);
    announce(`Branch ${place.index + 1} of ${place.count}: ${shown.text.slice(0, 200)}`);
    const view = this.views.get(shown.id);
    view?.root.scrollIntoView({ block: "nearest" });
    if (heard) (view?.branch.querySelector(`button:enabled:nth-of-type(${by < 0 ? 1 : 2})`) ?? view?.branch.querySelector("button:enabled"))?.focus();
    return true;
  }

  /** Steps the last message that has branches. @param {number} by */
  stepLast(by) {
    const branched = this.path.filter((node) => placeOf(this.conversation, node).count > 1);
    return branched.length > 0 && this.step(branched[branched.length - 1], by);
  }

  /** Ends the answer that comes. */
  stop() {
    const stream = this.streams.get(this.conversation.id);
    stream?.controller.abort();
    return stream !== undefined;
  }

  /** @param {string} parent */
  async generate(parent) {
    const { conversation } = this;
    const body = requestOf(conversation, parent);
    const node = addNode(conversation, parent, { role: "assistant", status: "streaming" });
    /** @type {Stream} */
    const stream = { conversation, node, controller: new AbortController(), progress: "Waiting…" };
    this.streams.set(conversation.id, stream);
    this.follows = true;
    await this.save(conversation);
    this.hooks.listChanged();
    this.render();
    this.draw(stream);
    // Buttons that cannot be pressed now lose the focus.
    if (document.activeElement === document.body || document.activeElement?.matches(":disabled, #messages *")) this.scroller.focus();
    announce("The model answers");
    let needsKey = false;
    try {
      await this.receive(stream, body);
    } catch (cause) {
      needsKey = cause instanceof ServerError && cause.status === 401;
      this.fail(node, cause);
    }
    this.streams.delete(conversation.id);
    conversation.updated = Date.now();
    await this.save(conversation);
    if (conversation === this.conversation) this.render();
    this.hooks.listChanged();
    this.hooks.answered();
    announce(node.calls?.length ? "The model calls a tool: give its result" : node.status === "error" ? "" : "The answer has ended");
    if (needsKey && conversation === this.conversation && await this.hooks.needsKey()) this.regenerate(node);
  }

  /** @param {Stream} stream @param {any} body */
  async receive(stream, body) {
    const { conversation, node } = stream;
    let unsaid = "";
    await streamChat(body, stream.controller.signal, (chunk) => {
      unsaid += applyChunk(node, chunk);
      const progress = chunk.prompt_progress;
      stream.progress = progress && progress.total > progress.processed
        ? `Reading the prompt: ${progress.processed} of ${progress.total} tokens…`
        : node.text || node.thought ? "" : "Reading…";
      // Whole sentences are read out as they come.
      const end = Math.max(...[". ", "! ", "? ", "\n"].map((stop) => unsaid.lastIndexOf(stop)));
      if (end > 0 && conversation === this.conversation) {
        announce(unsaid.slice(0, end + 1));
        unsaid = unsaid.slice(end + 1);
      }
      this.saveSoon();
      this.drawSoon(stream);
    });
    if (unsaid.trim() !== "" && conversation === this.conversation) announce(unsaid);
    if (node.status === "streaming") node.status = "done";
  }

  /** @param {Node} node @param {unknown} cause */
  fail(node, cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") {
      node.status = "stopped";
      return;
    }
    node.status = "error";
    node.error = cause instanceof ServerError ? { title: cause.title, detail: cause.detail }
      : { title: "The page failed", detail: String(cause) };
  }
}
