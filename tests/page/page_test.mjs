// SPDX-License-Identifier: Apache-2.0
// The page and the program together: the demo model answers.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { after, afterEach, before, test } from "node:test";
import { launch, User, waiting } from "./browser.mjs";
import { policy, root, startFiles, startProgram } from "./servers.mjs";

const golden = `${root}tests/golden/demo/`;
const pictures = JSON.parse(readFileSync(`${golden}images.json`, "utf8"));
/** @type {any} */ let browser;
/** @type {any} */ let program;
/** @type {any} */ let files;
/** @type {User} */ let user;

before(async () => {
  program = await startProgram(process.env.LAMINA_BIN);
  // For work on the page: its files from disk, without building the program again.
  if (process.env.LAMINA_PAGE_FROM_DISK) files = await startFiles({ upstream: program.url });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await files?.stop();
  await program?.stop();
});
afterEach(async () => {
  const faults = user?.faults ?? [];
  await user?.close();
  user = null;
  assert.deepEqual(faults, []);
});

const url = () => files?.url ?? program.url;
const open = async (look) => (user = await User.open(browser, url(), look));
/** A conversation whose only question was answered, and answered again. */
const openWithTwoAnswers = async () => {
  await open();
  await user.send("Reverse lamina.");
  assert.equal(await user.answer(), "animal");
  await user.click(".assistant .regenerate");
  await user.waitForText(".assistant .branch", "2/2");
  assert.equal(await user.answer(), "animal");
};
const picture = (index) => readFileSync(golden + pictures[index].file).toString("base64");

test("answers come as a stream, with their numbers", async () => {
  await open();
  await user.send("Reverse lamina.");
  assert.equal(await user.answer(), "animal");
  assert.match(await user.text(".message.assistant .speed"), /^\d+ tokens · [\d.]+ tokens\/s · prompt \d+/);
  assert.match(await user.text("#context"), /^[1-9]\d* of \d+$/);
  assert.match(await user.text("#memory"), /^[\d.]+ [MG]B$/);
  assert.match(await user.text("#model-name"), /demo/);
  assert.equal(await user.text("#title"), "Reverse lamina.");
  assert.match(await user.text("#announcements"), /animal.*The answer has ended/s);
});

test("the page is served under a strict policy", async () => {
  const response = await fetch(url());
  assert.equal(response.headers.get("content-security-policy"), policy);
  assert.match(response.headers.get("content-type"), /text\/html/);
});

test("regenerate and edit make branches, that are stepped through", async () => {
  await openWithTwoAnswers();
  await user.click(".user .edit");
  const area = await user.page.waitForSelector(".user textarea", waiting);
  await area.evaluate((one) => one.select());
  await user.page.keyboard.type("Reverse stone.");
  await user.click(".user .editor .primary");
  await user.waitForText(".user .branch", "2/2");
  assert.equal(await user.answer(), "enots");
  await user.click('.user .branch [aria-label="Previous branch"]');
  await user.waitForText(".user .branch", "1/2");
  assert.equal(await user.text(".user .plain"), "Reverse lamina.");
  assert.equal(await user.text(".assistant .markdown:not(.thought .markdown)"), "animal");
  await user.click('.user .branch [aria-label="Next branch"]');
  await user.waitForText(".assistant .markdown:not(.thought .markdown)", "enots");
});

test("what was exported is imported with its branches; files that are no conversations are refused", async () => {
  await openWithTwoAnswers();
  const exported = JSON.parse(await user.page.evaluate(() => new Promise((resolve) => {
    URL.createObjectURL = (blob) => {
      blob.text().then(resolve);
      return "#";
    };
    document.querySelector('#conversations .open [aria-label^="Export"]').click();
  })));
  const folder = mkdtempSync(`${tmpdir()}/lamina-page-`);
  const hand = async (name, content) => {
    writeFileSync(`${folder}/${name}`, typeof content === "string" ? content : JSON.stringify(content));
    await (await user.page.$("#import-file")).uploadFile(`${folder}/${name}`);
  };
  await hand("good.json", { ...exported, title: "Brought back" });
  await user.waitForText("#title", "Brought back");
  assert.equal(await user.answer(), "animal");
  assert.equal(await user.text(".assistant .branch"), "2/2");
  const count = () => user.page.$$eval("#conversations > li", (items) => items.length);
  assert.equal(await count(), 2);
  // It goes on as any other.
  await user.send("Reverse stone.");
  await user.waitForText(".message.assistant:last-child .markdown:not(.thought .markdown)", "enots");

  const [first] = Object.keys(exported.nodes);
  const changed = (change) => {
    const copy = structuredClone(exported);
    change(copy, copy.nodes[first]);
    return copy;
  };
  const refusals = [
    ["{", "no JSON"],
    [[], "no conversation of this page"],
    [changed((all) => (all.nodes = {})), "no messages"],
    [changed((_, node) => (node.role = "system")), "no role"],
    [changed((_, node) => (node.text = 5)), "no text"],
    [changed((_, node) => (node.parent = "missing")), "below a message that is missing"],
    [changed((_, node) => (node.parent = first)), "below themselves"],
    [changed((_, node) => (node.media = [{ kind: "image", url: "https://example.org/x.png", name: "x" }])), "no data URL"],
  ];
  for (const [content, words] of refusals) {
    await hand("bad.json", content);
    await user.page.waitForFunction((expected) => [...document.querySelectorAll(".toast")].some((one) => one.textContent.includes(expected)),
      waiting, words);
    assert.equal(await count(), 2, words);
  }
  rmSync(folder, { recursive: true });
});

test("a reload keeps conversations, drafts and settings; they are renamed, exported and deleted", async () => {
  await open();
  await user.hand("paste", picture(0), "image/png", "kept.png");
  await user.write("not sent");
  await user.reload();
  assert.equal(await user.page.$eval("#message", (area) => area.value), "not sent");
  assert.equal(await user.text("#attached .name"), "kept.png");
  await user.click('#attached [aria-label="Remove kept.png"]');
  await user.page.$eval("#message", (area) => area.select());
  await user.send("Reverse lamina.");
  await user.answer();
  await user.write("half a thou");
  await user.reload();
  assert.equal(await user.count("#attached li"), 0);
  assert.equal(await user.text(".assistant .markdown:not(.thought .markdown)"), "animal");
  assert.equal(await user.page.$eval("#message", (area) => area.value), "half a thou");
  await user.click("#new");
  await user.send("Reverse stone.");
  await user.answer();
  assert.equal(await user.count("#conversations li"), 2);
  await user.click('#conversations .open [aria-label^="Rename"]');
  await user.page.waitForSelector("#question[open] input", waiting);
  await user.page.keyboard.type("Stones");
  await user.page.keyboard.press("Enter");
  await user.waitForText("#conversations .open .name", "Stones");
  assert.equal(await user.text("#title"), "Stones");
  const exported = await user.page.evaluate(() => new Promise((resolve) => {
    const make = URL.createObjectURL;
    URL.createObjectURL = (blob) => {
      blob.text().then(resolve);
      return make(blob);
    };
    document.querySelector('#conversations .open [aria-label^="Export"]').click();
  }));
  assert.deepEqual(Object.values(JSON.parse(exported).nodes).map((node) => node.text), ["Reverse stone.", "enots"]);
  await user.click('#conversations .open [aria-label^="Delete"]');
  await user.click("#question-yes");
  await user.page.waitForFunction(() => document.querySelectorAll("#conversations li").length === 1, waiting);
  await user.reload();
  assert.equal(await user.text("#conversations .name"), "Reverse lamina.");
});

test("pictures are pasted and dropped, and seen by the model", async () => {
  await open();
  for (const [how, index] of [["paste", 0], ["drop", 2]]) {
    await user.hand(how, picture(index), "image/png", `picture ${index}.png`);
    await user.send(pictures[index].question);
    assert.equal(await user.answer(), pictures[index].reference.replace("<turn|>", ""));
    await user.click("#new");
  }
});

test("sounds are made into WAV files of 16 kHz, and heard; so is the microphone", async () => {
  await open();
  const sounds = JSON.parse(readFileSync(`${golden}sounds.json`, "utf8"));
  const heard = sounds.find((one) => one.right);
  await user.hand("drop", readFileSync(golden + heard.file).toString("base64"), "audio/wav", "sound.wav");
  await user.send(heard.question);
  assert.equal(await user.answer(), heard.reference.replace("<turn|>", ""));
  await user.click("#record");
  await user.page.waitForFunction(() => document.getElementById("record").getAttribute("aria-pressed") === "true", waiting);
  await new Promise((resolve) => setTimeout(resolve, 900));
  await user.click("#record");
  await user.page.waitForSelector("#attached audio", waiting);
  const source = await user.page.$eval("#attached audio", (audio) => audio.src);
  const bytes = Buffer.from(source.slice(source.indexOf(",") + 1), "base64");
  assert.equal(bytes.toString("latin1", 0, 4), "RIFF");
  assert.equal(bytes.readUInt16LE(22), 1);
  assert.equal(bytes.readUInt32LE(24), 16000);
  assert.ok(bytes.readUInt32LE(40) >= 6400, `${bytes.readUInt32LE(40)} bytes of samples`);
});

test("all can be done with the keyboard", async () => {
  await open();
  const { keyboard } = user.page;
  await keyboard.type("Reverse lamina.");  // the field has the focus from the start
  await keyboard.press("Enter");
  assert.equal(await user.answer(), "animal");
  await user.alt("KeyE");
  await user.page.waitForSelector(".user textarea:focus", waiting);
  await keyboard.down("Control");
  await keyboard.press("KeyA");
  await keyboard.up("Control");
  await keyboard.type("Reverse stone.");
  await keyboard.press("Enter");
  await user.waitForText(".user .branch", "2/2");
  assert.equal(await user.answer(), "enots");
  await user.alt("KeyJ");
  await user.waitForText(".user .branch", "1/2");
  await user.alt("KeyK");
  await user.waitForText(".user .branch", "2/2");
  await user.alt("KeyR");
  await user.waitForText(".assistant .branch", "2/2");
  await user.answer();
  await user.alt("KeyT");
  assert.equal(await user.page.$eval("#thinking", (one) => one.getAttribute("aria-checked")), "true");
  for (const [key, dialog] of [["KeyL", "model"], ["KeyS", "settings"], ["KeyH", "shortcuts"]]) {
    await user.alt(key);
    await user.page.waitForSelector(`#${dialog}[open]`, waiting);
    await keyboard.press("Escape");
    await user.page.waitForFunction((id) => !document.getElementById(id).open, waiting, dialog);
  }
  // Every control is reached by Tab, and says what it is.
  await user.page.evaluate(() => document.activeElement?.blur());
  const reached = new Set();
  for (let i = 0; i < 60; ++i) {
    await keyboard.press("Tab");
    const name = await user.page.evaluate(() => {
      const one = document.activeElement;
      return one === document.body ? null : `${one.id || one.className} ${one.ariaLabel ?? one.textContent.trim() ?? ""}`.trim();
    });
    if (name !== null) reached.add(name.split(" ")[0]);  // null: between the page's end and its start
  }
  for (const id of ["new", "open-settings", "open-model", "theme", "message", "attach", "record", "thinking", "open-tools"])
    assert.ok(reached.has(id), `${id} is not reached: ${[...reached]}`);
  const nameless = await user.page.$$eval("button, input, textarea, select", (all) => all.filter((one) =>
    !one.ariaLabel && !one.getAttribute("aria-labelledby") && !one.labels?.length && !one.textContent.trim()).map((one) => one.outerHTML));
  assert.deepEqual(nameless, []);
});

test("the model's schedule is drawn", async () => {
  await open();
  await user.click("#open-model");
  await user.page.waitForSelector("#model .cells .cell", waiting);
  const { layers } = await (await fetch(`${program.url}/props`)).json();
  assert.equal(await user.count("#model .cells > .cell"), layers.length);
  const times = await user.page.$$eval("#model tbody td:nth-child(3)", (cells) => cells.map((cell) => cell.textContent));
  for (const time of times) assert.match(time, /^[\d.e-]+ ms$/);
  assert.match(await user.text("#model .facts"), /Memory of the process[\d.]+ MB/);
});

test("a schema makes JSON", async () => {
  await open();
  await user.setUp({ schema: '{"type": "object", "properties": {"word": {"type": "string", "maxLength": 6}}, "required": ["word"], "additionalProperties": false}' });
  await user.send("Reverse lamina.");
  assert.deepEqual(Object.keys(JSON.parse(await user.answer())), ["word"]);
});

test("the server's errors are shown with their hint", async () => {
  await open();
  await user.setUp({ schema: '{"type": "string", "contentEncoding": "x", "unevaluatedItems": 3}' });
  await user.send("Reverse lamina.");
  await user.page.waitForSelector(".error", waiting);
  assert.match(await user.text(".error"), /The server refuses the request\. .*response_format/);
  user.faults = user.faults.filter((fault) => !fault.includes("status of 400"));
  await user.setUp({ schema: "" });
  await user.click(".error .retry");
  await user.page.waitForSelector(".error", { ...waiting, hidden: true });  // until then the last answer is the refused one
  assert.equal(await user.answer(), "animal");
  assert.equal(await user.count(".message"), 2);
});
