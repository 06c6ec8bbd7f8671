// SPDX-License-Identifier: Apache-2.0
// Puts the page together.
import { Chat } from "./chat.js";
import { Composer } from "./composer.js";
import { ask, wireDialogs } from "./dialogs.js";
import { byId, toast } from "./dom.js";
import { placeIcons } from "./icons.js";
import { openModel } from "./model_panel.js";
import { applyTheme, changeSettings, onSettings, openSettings, settings, switchTheme } from "./settings.js";
import { wireShortcuts } from "./shortcuts.js";
import { Sidebar } from "./sidebar.js";
import { Status } from "./status.js";
import { apiKey, recall, setApiKey, Store } from "./store.js";
import { addTool, openTools } from "./tools.js";
import { newConversation } from "./tree.js";

applyTheme();
placeIcons();
wireDialogs();

const status = new Status();
const store = await Store.open();
if (!store.isLasting) toast("This browser keeps nothing here: conversations last until the tab closes.", "error");

/** Asks for the server's key. True: one was given. */
async function askKey() {
  const key = await ask("The server asks for a key", "Use it",
    { value: apiKey(), isSecret: true, hint: "It was started with --api-key. The key is forgotten when this tab closes." });
  if (!key) return false;
  setApiKey(key.trim());
  await refreshStatus();
  return true;
}

async function refreshStatus() {
  await status.refresh();
  status.showPath(chat.path);
}

const chat = new Chat(store, {
  listChanged: () => sidebar.refresh(),
  stateChanged: () => {
    composer.setBusy(chat.isBusy);
    status.showPath(chat.path);
  },
  answered: refreshStatus,
  needsKey: askKey,
});
const composer = new Composer(store, {
  send: (text, media) => chat.send(text, media),
  stop: () => chat.stop(),
  // What is meant for a new conversation waits for the next new one.
  draftKey: () => (chat.path.length > 0 ? chat.conversation.id : "new"),
});
const sidebar = new Sidebar(store, chat, (conversation) => {
  chat.open(conversation);
  composer.open();
});

function showSettings() {
  applyTheme();
  const thinking = byId("thinking");
  thinking.setAttribute("aria-checked", String(settings.thinking));
  const count = settings.tools.length;
  byId("tool-count").textContent = count > 0 ? ` (${count})` : "";
  byId("schema-note").hidden = settings.schema.trim() === "";
}
onSettings(showSettings);
showSettings();

function toggleThinking() {
  changeSettings({ thinking: !settings.thinking });
}

function regenerateLast() {
  const answers = chat.path.filter((node) => node.role === "assistant");
  if (answers.length > 0) chat.regenerate(answers[answers.length - 1]);
}

function editLast() {
  const mine = chat.path.filter((node) => node.role === "user");
  if (mine.length > 0 && !chat.isBusy) chat.views.get(mine[mine.length - 1].id)?.beginEdit();
}

function escape() {
  if (sidebar.isShown) {
    sidebar.show(false);
    byId("menu").focus();
    return true;
  }
  return chat.stop();
}

const openShortcuts = () => /** @type {HTMLDialogElement} */ (byId("shortcuts")).showModal();

wireShortcuts([
  { keys: "Enter", words: "Send" },
  { keys: "Shift+Enter", words: "A new line" },
  { keys: "Esc", words: "Stop the answer; leave an edit, a dialog, the list" },
  { keys: "Alt+N", words: "New conversation", code: "KeyN", run: () => sidebar.startNew() },
  { keys: "Alt+R", words: "Regenerate the last answer", code: "KeyR", run: regenerateLast },
  { keys: "Alt+E", words: "Edit your last message", code: "KeyE", run: editLast },
  { keys: "Alt+J", words: "Previous branch", code: "KeyJ", run: () => chat.stepLast(-1) },
  { keys: "Alt+K", words: "Next branch", code: "KeyK", run: () => chat.stepLast(1) },
  { keys: "Alt+T", words: "Think, or not", code: "KeyT", run: toggleThinking },
  { keys: "Alt+M", words: "To the message field", code: "KeyM", run: () => byId("message").focus() },
  { keys: "Alt+L", words: "The model and its layers", code: "KeyL", run: () => openModel(status) },
  { keys: "Alt+S", words: "Settings", code: "KeyS", run: openSettings },
  { keys: "Alt+H", words: "This list", code: "KeyH", run: openShortcuts },
], escape);

byId("thinking").addEventListener("click", toggleThinking);
byId("open-tools").addEventListener("click", openTools);
byId("add-tool").addEventListener("click", addTool);
byId("open-settings").addEventListener("click", openSettings);
byId("open-model").addEventListener("click", () => openModel(status));
byId("open-shortcuts").addEventListener("click", openShortcuts);
byId("theme").addEventListener("click", switchTheme);
byId("key").addEventListener("click", askKey);
byId("to-end").addEventListener("click", () => chat.scrollToEnd(true));
byId("settings").addEventListener("close", refreshStatus);

store.onOtherTabs(async (id) => {
  sidebar.refresh();
  if (id !== chat.conversation.id || chat.isBusy) return;
  const changed = await store.load(id);
  if (changed) chat.open(changed);
});

const open = recall("open");
const last = typeof open === "string" ? await store.load(open) : undefined;
const first = last ?? newConversation();
chat.open(first);
await composer.open();
await sidebar.refresh();
await refreshStatus();
document.body.classList.add("ready");
