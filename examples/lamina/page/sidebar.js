// SPDX-License-Identifier: Apache-2.0
// The list of conversations: open, rename, export, delete.
import { ask } from "./dialogs.js";
import { button, byId, download, element } from "./dom.js";
import { keep } from "./store.js";
import { newConversation } from "./tree.js";

/** @typedef {import("./tree.js").Conversation} Conversation */

export class Sidebar {
  /**
   * @param {import("./store.js").Store} store
   * @param {import("./chat.js").Chat} chat
   * @param {(conversation: Conversation) => void} open
   */
  constructor(store, chat, open) {
    this.store = store;
    this.chat = chat;
    this.open = open;
    byId("new").addEventListener("click", () => this.startNew());
    byId("menu").addEventListener("click", () => this.show(!document.body.classList.contains("listing")));
    byId("shade").addEventListener("click", () => this.show(false));
  }

  startNew() {
    this.open(newConversation());
    this.show(false);
    this.refresh();
    byId("message").focus();
  }

  /** On narrow screens the list lies over the page. @param {boolean} isShown */
  show(isShown) {
    document.body.classList.toggle("listing", isShown);
    byId("menu").setAttribute("aria-expanded", String(isShown));
    if (isShown) byId("new").focus();
  }

  get isShown() {
    return document.body.classList.contains("listing");
  }

  async refresh() {
    const all = await this.store.all();
    const current = this.chat.conversation.id;
    byId("conversations").replaceChildren(...all.map((conversation) => {
      const isOpen = conversation.id === current;
      return element("li", { class: isOpen ? "open" : "" },
        button(conversation.title, () => {
          this.open(conversation);
          this.show(false);
          this.refresh();
          byId("message").focus();
        }, { class: "name", dir: "auto", title: conversation.title, "aria-current": isOpen ? "true" : null }),
        button(`Rename ${conversation.title}`, () => this.rename(conversation), { sign: "edit", class: "quiet" }),
        button(`Export ${conversation.title}`, () => exportOne(conversation), { sign: "save", class: "quiet" }),
        button(`Delete ${conversation.title}`, () => this.remove(conversation), { sign: "bin", class: "quiet" }));
    }));
    byId("no-conversations").hidden = all.length > 0;
  }

  /** @param {Conversation} found */
  async rename(found) {
    const title = await ask("Rename the conversation", "Rename", { value: found.title });
    if (!title?.trim()) return;
    // The one that is open has newer messages than the list.
    const conversation = found.id === this.chat.conversation.id ? this.chat.conversation : found;
    conversation.title = title.trim();
    conversation.named = true;
    await this.store.save(conversation);
    this.chat.render();
    this.refresh();
  }

  /** @param {Conversation} conversation */
  async remove(conversation) {
    const sure = await ask("Delete this conversation?", "Delete",
      { hint: `“${conversation.title}” is kept nowhere but in this browser.`, isDanger: true });
    if (sure === null) return;
    this.chat.streams.get(conversation.id)?.controller.abort();
    await this.store.remove(conversation.id);
    keep(`draft.${conversation.id}`, null);
    if (conversation.id === this.chat.conversation.id) this.open(newConversation());
    this.refresh();
    byId("new").focus();
  }
}

/** @param {Conversation} conversation */
function exportOne(conversation) {
  const plain = conversation.title.replace(/[^\p{L}\p{N} _-]/gu, "").trim().slice(0, 60) || "conversation";
  download(`${plain}.json`, JSON.stringify(conversation, null, 2), "application/json");
}
