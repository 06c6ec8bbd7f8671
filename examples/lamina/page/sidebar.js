// SPDX-License-Identifier: Apache-2.0
// The list of conversations: open, rename, export, import, delete.
import { ask } from "./dialogs.js";
import { announce, button, byId, download, element, toast } from "./dom.js";
import { mostBytes, readExported } from "./imported.js";
import { keep } from "./store.js";
import { newConversation } from "./tree.js";

/**
 * @typedef {import("./tree.js").Conversation} Conversation
 * @typedef {import("./store.js").Entry} Entry
 */

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
    const files = /** @type {HTMLInputElement} */ (byId("import-file"));
    byId("import").addEventListener("click", () => files.click());
    files.addEventListener("change", async () => {
      const chosen = [...(files.files ?? [])];
      files.value = "";  // the same file may be chosen again
      for (const file of chosen) await this.importOne(file);
    });
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
    const entries = await this.store.list();
    const current = this.chat.conversation.id;
    byId("conversations").replaceChildren(...entries.map((entry) => this.entryElement(entry, entry.id === current)));
    byId("no-conversations").hidden = entries.length > 0;
  }

  /** @param {Entry} entry @param {boolean} isOpen */
  entryElement(entry, isOpen) {
    const openIt = async () => {
      const conversation = await this.find(entry.id);
      if (!conversation) return this.refresh();
      this.open(conversation);
      this.show(false);
      this.refresh();
      byId("message").focus();
    };
    const exportIt = async () => exportOne(await this.find(entry.id));
    return element("li", { class: isOpen ? "open" : "" },
      button(entry.title, openIt, { class: "name", dir: "auto", title: entry.title, "aria-current": isOpen ? "true" : null }),
      button(`Rename ${entry.title}`, () => this.rename(entry), { sign: "edit", class: "quiet" }),
      button(`Export ${entry.title}`, exportIt, { sign: "save", class: "quiet" }),
      button(`Delete ${entry.title}`, () => this.remove(entry), { sign: "bin", class: "quiet" }));
  }

  /** Keeps an exported conversation and opens it; or says why not. @param {File} file */
  async importOne(file) {
    try {
      if (file.size > mostBytes) throw new Error("The file is too long.");
      const conversation = readExported(await file.text());
      await this.store.save(conversation);
      this.open(conversation);
      announce(`Imported ${conversation.title}`);
    } catch (error) {
      toast(`${file.name} was not imported. ${error instanceof Error ? error.message : error}`, "error");
    }
    this.show(false);
    this.refresh();
  }

  /** The newest state of a conversation: those that are open or answered are ahead of the store. @param {string} id */
  async find(id) {
    if (id === this.chat.conversation.id) return this.chat.conversation;
    return this.chat.streams.get(id)?.conversation ?? this.store.load(id);
  }

  /** @param {Entry} entry */
  async rename(entry) {
    const title = await ask("Rename the conversation", "Rename", { value: entry.title });
    const conversation = title?.trim() ? await this.find(entry.id) : null;
    if (!title || !conversation) return;
    conversation.title = title.trim();
    conversation.named = true;
    await this.chat.save(conversation);
    this.chat.render();
    this.refresh();
  }

  /** @param {Entry} entry */
  async remove(entry) {
    const sure = await ask("Delete this conversation?", "Delete",
      { hint: `“${entry.title}” is kept nowhere but in this browser.`, isDanger: true });
    if (sure === null) return;
    this.chat.streams.get(entry.id)?.controller.abort();
    await this.store.remove(entry.id);
    keep(`draft.${entry.id}`, null);
    await this.store.keepDraftMedia(entry.id, []);
    if (entry.id === this.chat.conversation.id) this.open(newConversation());
    this.refresh();
    byId("new").focus();
  }
}

/** @param {Conversation|undefined} conversation */
function exportOne(conversation) {
  if (!conversation) return;
  const plain = conversation.title.replace(/[^\p{L}\p{N} _-]/gu, "").trim().slice(0, 60) || "conversation";
  download(`${plain}.json`, JSON.stringify(conversation, null, 2), "application/json");
}
