// SPDX-License-Identifier: Apache-2.0
// Where one writes: the text, its pictures and sounds, send and stop.
import { button, byId, element, toast } from "./dom.js";
import { icon } from "./icons.js";
import { attachmentOf } from "./media.js";
import { mediaElement } from "./message_view.js";
import { Recorder } from "./recorder.js";
import { keep, recall } from "./store.js";

/** @typedef {import("./tree.js").Attachment} Attachment */

export class Composer {
  /**
   * @param {import("./store.js").Store} store
   * @param {{send: (text: string, media: Attachment[]) => void, stop: () => void, draftKey: () => string}} actions
   */
  constructor(store, actions) {
    this.store = store;
    this.actions = actions;
    this.area = /** @type {HTMLTextAreaElement} */ (byId("message"));
    this.sendButton = byId("send");
    this.recordButton = byId("record");
    this.isBusy = false;
    /** @type {Attachment[]} */
    this.media = [];
    /** @type {Recorder|null} */
    this.recorder = null;
    this.wire();
  }

  wire() {
    this.area.addEventListener("input", () => {
      keep(`draft.${this.actions.draftKey()}`, this.area.value || null);
      this.fit();
    });
    this.area.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.submit();
    });
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.isBusy) this.actions.stop();
      else this.submit();
    });
    const chooser = byId("files");
    byId("attach").addEventListener("click", () => chooser.click());
    chooser.addEventListener("change", () => {
      this.attach([...chooser.files]);
      chooser.value = "";
    });
    this.recordButton.addEventListener("click", () => this.toggleRecording());
    document.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length === 0) return;
      event.preventDefault();
      this.attach(files);
    });
    this.wireDrop();
  }

  wireDrop() {
    const holdsFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") ?? false;
    document.addEventListener("dragover", (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      document.body.classList.add("dropping");
    });
    document.addEventListener("dragleave", (event) => {
      if (event.relatedTarget === null) document.body.classList.remove("dropping");
    });
    document.addEventListener("drop", (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      document.body.classList.remove("dropping");
      this.attach([...(event.dataTransfer?.files ?? [])]);
    });
  }

  /** Shows what was written and attached, and not sent, in the conversation that is open now. */
  async open() {
    const key = this.actions.draftKey();
    this.area.value = recall(`draft.${key}`) ?? "";
    this.fit();
    this.media = [];
    this.showMedia();
    const media = await this.store.draftMedia(key);
    if (key !== this.actions.draftKey()) return;
    this.media = [...media, ...this.media];
    this.showMedia();
  }

  /** Attachments have changed. */
  keepMedia() {
    this.showMedia();
    this.store.keepDraftMedia(this.actions.draftKey(), this.media).catch(() => {});
  }

  /** @param {boolean} isBusy */
  setBusy(isBusy) {
    if (isBusy === this.isBusy && this.sendButton.childElementCount > 0) return;
    this.isBusy = isBusy;
    const label = isBusy ? "Stop the answer" : "Send";
    this.sendButton.setAttribute("aria-label", label);
    this.sendButton.title = isBusy ? "Stop (Esc)" : "Send (Enter)";
    this.sendButton.classList.toggle("stop", isBusy);
    this.sendButton.replaceChildren(icon(isBusy ? "stop" : "send"));
  }

  fit() {
    this.area.style.height = "auto";
    this.area.style.height = `${Math.min(this.area.scrollHeight + 2, window.innerHeight * 0.4)}px`;
  }

  submit() {
    const text = this.area.value;
    if (this.isBusy || this.pending || (text.trim() === "" && this.media.length === 0)) return;
    const { media } = this;
    keep(`draft.${this.actions.draftKey()}`, null);
    this.area.value = "";
    this.media = [];
    this.keepMedia();
    this.fit();
    this.area.focus();
    this.actions.send(text, media);
  }

  /** @param {File[]} files */
  async attach(files) {
    this.pending = true;
    for (const file of files) {
      try {
        this.media.push(await attachmentOf(file));
      } catch (cause) {
        toast(cause instanceof Error ? cause.message : String(cause), "error");
      }
    }
    this.pending = false;
    this.keepMedia();
    this.area.focus();
  }

  showMedia() {
    byId("attached").replaceChildren(...this.media.map((one, i) => element("li", { class: one.kind }, mediaElement(one),
      element("span", { class: "name" }, one.name),
      button(`Remove ${one.name}`, () => {
        this.media.splice(i, 1);
        this.keepMedia();
        this.area.focus();
      }, { sign: "close" }))));
  }

  async toggleRecording() {
    if (this.recorder) {
      const { recorder } = this;
      this.recorder = null;
      clearInterval(this.clock);
      this.showRecording(null);
      this.media.push(await recorder.stop());
      this.keepMedia();
      this.area.focus();
      return;
    }
    try {
      this.recorder = await Recorder.start(() => this.toggleRecording());
    } catch (cause) {
      return toast(cause instanceof Error ? cause.message : String(cause), "error");
    }
    this.showRecording(0);
    this.clock = setInterval(() => this.showRecording(this.recorder?.seconds ?? null), 250);
  }

  /** @param {number|null} seconds */
  showRecording(seconds) {
    const isOn = seconds !== null;
    this.recordButton.setAttribute("aria-pressed", String(isOn));
    this.recordButton.title = isOn ? "End the recording" : "Record with the microphone";
    byId("record-time").textContent = isOn ? `${seconds.toFixed(0)} s` : "";
  }
}
