// SPDX-License-Identifier: Apache-2.0
// A headless Chromium, and what tests do with a page in it.
import { existsSync } from "node:fs";
import puppeteer from "puppeteer-core";

const places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
export const waiting = { timeout: 60000 };

export async function launch() {
  const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? places.find(existsSync),
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--lang=en",
      "--hide-scrollbars", "--disable-dev-shm-usage"],
  });
  const [page] = await browser.pages();
  // What answers are drawn with is to be the same each time.
  await page.evaluateOnNewDocument(() => {
    if (location.protocol === "http:" && !localStorage.getItem("lamina.settings"))
      localStorage.setItem("lamina.settings", '{"temperature": "0"}');
  });
  return browser;
}

/** The page at `url`, as somebody sees it who comes for the first time. */
export class User {
  /** @param {import("puppeteer-core").Browser} browser @param {string} url @param {{width?: number, height?: number, dark?: boolean}} [look] */
  static async open(browser, url, { width = 1200, height = 820, dark = false } = {}) {
    // One page for all: another one would be another process, and a second.
    const [page] = await browser.pages();
    const user = new User(page, url);
    const session = await page.createCDPSession();
    await session.send("Storage.clearDataForOrigin", { origin: url, storageTypes: "all" });
    await session.detach();
    await page.setViewport({ width, height });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }]);
    await page.goto(url);
    await user.ready();
    return user;
  }

  constructor(page, url) {
    this.page = page;
    /** @type {string[]} what went wrong in the page */
    this.faults = [];
    page.on("pageerror", (error) => this.faults.push(String(error)));
    page.on("console", (message) => message.type() === "error" && this.faults.push(message.text()));
    page.on("request", (request) => {
      if (!request.url().startsWith(url) && !/^(data|blob|about):/.test(request.url())) this.faults.push(`asks for ${request.url()}`);
    });
  }

  ready() {
    return this.page.waitForSelector("body.ready", waiting);
  }

  async reload() {
    await this.page.reload();
    await this.ready();
  }

  /** Changes settings, as the dialog does. @param {Record<string, any>} some */
  setUp(some) {
    return this.page.evaluate(async (settings) => (await import("/settings.js")).changeSettings(settings), some);
  }

  /** @param {string} text */
  async write(text) {
    await this.page.focus("#message");
    await this.page.keyboard.type(text);
  }

  async send(text) {
    await this.write(text);
    await this.page.keyboard.press("Enter");
  }

  /** Waits until the last answer has ended, and gives its text. */
  async answer() {
    await this.page.waitForFunction(() => {
      const last = document.querySelector("#messages > :last-child");
      return last?.classList.contains("assistant") && !last.classList.contains("streaming")
        && document.getElementById("send").getAttribute("aria-label") === "Send";
    }, waiting);
    return this.text("#messages > :last-child .markdown:not(.thought .markdown)");
  }

  /** @param {string} selector */
  text(selector) {
    return this.page.$eval(selector, (found) => found.textContent.trim());
  }

  /** @param {string} selector */
  count(selector) {
    return this.page.$$eval(selector, (found) => found.length);
  }

  /** @param {string} selector @param {string} words */
  waitForText(selector, words) {
    return this.page.waitForFunction((where, what) => document.querySelector(where)?.textContent.includes(what), waiting, selector, words);
  }

  /** Clicks with the mouse, where the element is. @param {string} selector */
  async click(selector) {
    const found = await this.page.waitForSelector(selector, { ...waiting, visible: true });
    await found.click();
  }

  /** Presses a letter together with Alt. @param {string} key */
  async alt(key) {
    await this.page.keyboard.down("Alt");
    await this.page.keyboard.press(key);
    await this.page.keyboard.up("Alt");
  }

  /** Gives a file to the page by an event of the clipboard or of dragging. */
  async hand(kind, base64, type, name) {
    await this.page.evaluate((how, data, mime, called) => {
      const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], called, { type: mime }));
      const more = { bubbles: true, cancelable: true };
      const target = document.getElementById("message");
      target.dispatchEvent(how === "paste" ? new ClipboardEvent("paste", { ...more, clipboardData: transfer })
        : new DragEvent("drop", { ...more, dataTransfer: transfer }));
    }, kind, base64, type, name);
    await this.page.waitForSelector("#attached li", waiting);
  }

  /** What sticks out of the screen sideways. @returns {Promise<string[]>} */
  overflow() {
    return this.page.evaluate(() => {
      const out = [];
      const width = document.documentElement.clientWidth;
      if (document.documentElement.scrollWidth > width) out.push(`the page is ${document.documentElement.scrollWidth} wide`);
      for (const one of document.querySelectorAll("body *")) {
        const box = one.getBoundingClientRect();
        const isShown = box.width > 0 && box.height > 0 && getComputedStyle(one).visibility !== "hidden";
        // What lies in a box that scrolls or cuts is no overflow.
        let cut = one.parentElement;
        while (cut && !["auto", "scroll", "hidden"].includes(getComputedStyle(cut).overflowX)) cut = cut.parentElement;
        const limit = cut && cut !== document.body ? cut.getBoundingClientRect().right + 1e6 * (getComputedStyle(cut).overflowX !== "hidden") : width;
        if (isShown && (box.right > limit + 1 || (!cut && box.left < -1)) && !one.matches(".hidden, .skip"))
          out.push(`${one.tagName}.${one.className} to ${Math.round(box.right)} of ${Math.round(limit)}`);
      }
      const scroller = document.getElementById("scroller");
      if (scroller.scrollWidth > scroller.clientWidth) out.push(`messages are ${scroller.scrollWidth} wide`);
      return out;
    });
  }

  async close() {
    for (const kind of ["pageerror", "console", "request"]) this.page.off(kind);
    await this.page.goto("about:blank");
  }
}
