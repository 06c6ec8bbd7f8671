// SPDX-License-Identifier: Apache-2.0
// What the browser keeps: conversations in IndexedDB, settings and drafts in localStorage, the key until the tab closes.

/** @typedef {import("./tree.js").Conversation} Conversation */

/** @typedef {{id: string, title: string, updated: number}} Entry */

const table = "conversations";
const drafts = "drafts";

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Conversations in the browser, or where it keeps none in memory. */
export class Store {
  /** @param {IDBDatabase|null} database */
  constructor(database) {
    this.database = database;
    /** @type {Map<string, Conversation>} */
    this.memory = new Map();
    /** @type {Set<string>} what was deleted: an answer that ends then is not kept */
    this.gone = new Set();
    this.channel = "BroadcastChannel" in window ? new BroadcastChannel("lamina") : null;
  }

  static async open() {
    try {
      const request = indexedDB.open("lamina", 1);
      request.onupgradeneeded = () => {
        // The list is read from the index alone: conversations hold pictures.
        request.result.createObjectStore(table, { keyPath: "id" }).createIndex("list", ["updated", "title", "id"]);
        request.result.createObjectStore(drafts);
      };
      return new Store(await done(request));
    } catch {
      return new Store(null);
    }
  }

  get isLasting() {
    return this.database !== null;
  }

  /** @param {IDBTransactionMode} mode */
  objects(mode, name = table) {
    return /** @type {IDBDatabase} */ (this.database).transaction(name, mode).objectStore(name);
  }

  /** @returns {Promise<Entry[]>} newest first */
  async list() {
    if (!this.database) return [...this.memory.values()].sort((a, b) => b.updated - a.updated);
    const request = this.objects("readonly").index("list").openKeyCursor(null, "prev");
    /** @type {Entry[]} */
    const entries = [];
    return new Promise((resolve, reject) => {
      request.onerror = () => reject(request.error);
      request.onsuccess = () => {
        const cursor = request.result;
        if (!cursor) return resolve(entries);
        const [updated, title, id] = /** @type {[number, string, string]} */ (cursor.key);
        entries.push({ id, title, updated });
        cursor.continue();
      };
    });
  }

  /**
   * @param {string} id
   * @returns {Promise<Conversation|undefined>}
   */
  async load(id) {
    return this.database ? done(this.objects("readonly").get(id)) : this.memory.get(id);
  }

  /** @param {Conversation} conversation */
  async save(conversation) {
    if (this.gone.has(conversation.id)) return;
    if (!this.database) return void this.memory.set(conversation.id, conversation);
    await done(this.objects("readwrite").put(conversation));
    this.channel?.postMessage(conversation.id);
  }

  /** @param {string} id */
  async remove(id) {
    this.gone.add(id);
    if (!this.database) return void this.memory.delete(id);
    await done(this.objects("readwrite").delete(id));
    this.channel?.postMessage(id);
  }

  /**
   * Pictures and sounds that are attached and not sent.
   * @param {string} key
   * @returns {Promise<import("./tree.js").Attachment[]>}
   */
  async draftMedia(key) {
    return (this.database && await done(this.objects("readonly", drafts).get(key))) || [];
  }

  /** @param {string} key @param {import("./tree.js").Attachment[]} media */
  async keepDraftMedia(key, media) {
    if (!this.database) return;
    const objects = this.objects("readwrite", drafts);
    await done(media.length > 0 ? objects.put(media, key) : objects.delete(key));
  }

  /**
   * Calls `changed` with the id of each conversation that another tab has changed.
   * @param {(id: string) => void} changed
   */
  onOtherTabs(changed) {
    if (this.channel) this.channel.onmessage = (event) => changed(String(event.data));
  }
}

/**
 * @param {string} key
 * @returns {any} null if there is none
 */
export function recall(key) {
  try {
    return JSON.parse(localStorage.getItem(`lamina.${key}`) ?? "null");
  } catch {
    return null;
  }
}

/**
 * @param {string} key
 * @param {any} value  null takes it away
 */
export function keep(key, value) {
  try {
    if (value === null) localStorage.removeItem(`lamina.${key}`);
    else localStorage.setItem(`lamina.${key}`, JSON.stringify(value));
  } catch {
    // Full or forbidden: the page works on, and forgets it.
  }
}

/** @returns {string} */
export function apiKey() {
  try {
    return sessionStorage.getItem("lamina.key") ?? "";
  } catch {
    return "";
  }
}

/** @param {string} key */
export function setApiKey(key) {
  try {
    sessionStorage.setItem("lamina.key", key);
  } catch {
    // As above.
  }
}
