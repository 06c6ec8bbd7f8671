// SPDX-License-Identifier: Apache-2.0
// The page against a server that is slow, wrong, gone or hostile; and how it looks then.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, afterEach, before, test } from "node:test";
import { launch, User, waiting } from "./browser.mjs";
import { event, startMock } from "./servers.mjs";

/** @type {any} */ let browser;
/** @type {any} */ let server;
/** @type {User} */ let user;

before(async () => {
  browser = await launch();
});
after(() => browser?.close());
afterEach(async () => {
  const faults = user?.faults ?? [];
  await user?.close();
  await server?.stop();
  user = server = null;
  assert.deepEqual(faults, []);
});

const open = async (script, look, options) => {
  server = await startMock(script, options);
  user = await User.open(browser, server.url, look);
};
const answerText = ".message:last-child .markdown:not(.thought .markdown)";
const ignore = (pattern) => (user.faults = user.faults.filter((fault) => !pattern.test(fault)));

/** Where the pictures go that people look at: LAMINA_PAGE_PICTURES. */
async function picture(name) {
  const folder = process.env.LAMINA_PAGE_PICTURES;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await user.page.screenshot({ path: `${folder}/${name}.png` });
}

const hostile = [
  '<img src=x onerror="window.pwned=1"><script>window.pwned=2</script>\n\n',
  "[click](javascript:window.pwned=3) [data](data:text/html,<script>1</script>) ![p](https://example.org/x.png)\n\n",
  "[honest](https://example.org/a?b=c) and https://example.org/bare.\n\n",
  `${"A".repeat(4000)}\n\n`,
  "مرحبا بالعالم \u202Eevil\u202C txt\n\n",
  "```html\n<b onclick=1>bold</b>\n```\n",
  `${"**".repeat(3000)}${"> ".repeat(500)}x\n\n${"- ".repeat(300)}y\n\n${"[".repeat(3000)}${"`".repeat(999)}\n\n`,
  `# ${" ".repeat(200000)}x\n|${"-".repeat(5000)}\n|${"|".repeat(3000)}\n`,
];

test("hostile text stays text", async () => {
  await open(() => ({ pieces: hostile.map((content) => event({ content })) }), { width: 360, height: 700 });
  const begun = Date.now();
  await user.send("<img src=x onerror=window.pwned=4>");
  await user.answer();
  assert.ok(Date.now() - begun < 15000, `took ${Date.now() - begun} ms`);
  assert.equal(await user.page.evaluate(() => window.pwned), undefined);
  assert.equal(await user.count("#messages img, #messages script"), 0);
  assert.equal(await user.text("#title"), "<img src=x onerror=window.pwned=4>");
  const links = await user.page.$$eval("#messages a", (all) => all.map((one) => [one.href, one.rel, one.target]));
  assert.deepEqual(links.map(([href]) => href).filter((href) => !href.startsWith("https://example.org/")), []);
  assert.ok(links.length >= 2);
  for (const [, rel, target] of links) assert.deepEqual([rel, target], ["noopener noreferrer nofollow", "_blank"]);
  assert.equal(await user.text("#messages .code code"), "<b onclick=1>bold</b>");
  assert.deepEqual(await user.overflow(), []);
  await picture("hostile-360");
});

test("hostile calls stay text, and count only as they come", async () => {
  const call = (index, name, text) => event({ tool_calls: [{ index, id: "c", function: { name, arguments: text } }] });
  await open(() => ({ pieces: [call(0, "<b>x</b>", '{"a": "<img src=y>"}'), call(1e9, "far", "{}"), call("__proto__", "odd", "{}"),
    event({ content: { toString: 1 } }), "data: {\"choices\": null}\n\n", ": a comment\n\n"] }));
  await user.send("hello");
  await user.answer();
  assert.equal(await user.text(".call-name code"), "<b>x</b>");
  assert.equal(await user.count("#messages img, #messages b"), 0);
  assert.equal(await user.count(".call"), 2);
});

test("an answer is stopped with Escape and with the button, and kept", async () => {
  await open(() => ({ pieces: [event({ content: "One two three" })], stays: true }));
  await user.send("Count.");
  await user.waitForText(answerText, "three");
  await user.page.keyboard.press("Escape");
  assert.equal(await user.answer(), "One two three");
  assert.match(await user.text(".message:last-child .state"), /Stopped/);
  await user.click(".message:last-child .regenerate");
  await user.waitForText(".message:last-child .branch", "2/2");
  await user.waitForText(answerText, "three");
  await user.click("#send");
  await user.answer();
  await user.reload();
  assert.match(await user.text(".message:last-child .state"), /Stopped/);
  assert.equal(await user.text(answerText), "One two three");
});

test("what came before a reload in the middle of an answer is kept", async () => {
  await open(() => ({ pieces: [event({ content: "The first half" })], stays: true }));
  await user.send("Tell me.");
  await user.waitForText(answerText, "half");
  await new Promise((resolve) => setTimeout(resolve, 900));
  await user.reload();
  assert.equal(await user.text(answerText), "The first half");
  ignore(/ERR_(ABORTED|INCOMPLETE)/);
});

test("a server that goes away is told, and asked again", async () => {
  let isWell = false;
  await open(() => (isWell ? { pieces: [event({ content: "Here I am." })] } : { pieces: [event({ content: "Half" })], breaks: true }));
  await user.send("Are you there?");
  await user.page.waitForSelector(".error", waiting);
  assert.match(await user.text(".error"), /cannot be reached|broke off/);
  await user.waitForText(answerText, "Half");
  assert.equal(await user.text(answerText), "Half");
  isWell = true;
  await user.click(".error .retry");
  await user.waitForText(".message:last-child .branch", "2/2");
  assert.equal(await user.answer(), "Here I am.");
  await server.stop();
  await user.send("And now?");
  await user.page.waitForSelector(".error", waiting);
  assert.match(await user.text(".error"), /The server cannot be reached/);
  await user.waitForText("#model-name", "No server");
  ignore(/ERR_/);
});

test("a full queue and a refusal are told with what the server says", async () => {
  await open(() => ({ status: 429, error: { message: "too many requests wait: try again later" } }));
  await user.send("hello");
  await user.page.waitForSelector(".error", waiting);
  assert.match(await user.text(".error"), /The server is busy\. too many requests wait/);
  ignore(/status of 429/);
});

test("a key is asked for, and used", async () => {
  await open(() => ({ pieces: [event({ content: "Welcome." })] }), {}, { key: "secret" });
  assert.equal(await user.text("#model-name"), "The server asks for a key");
  await user.send("hello");
  await user.page.waitForSelector("#question[open] input", waiting);
  await user.page.keyboard.type("secret");
  await user.page.keyboard.press("Enter");
  await user.waitForText(answerText, "Welcome.");
  await user.waitForText("#model-name", "gemma");
  assert.equal(await user.page.evaluate(() => JSON.stringify(localStorage).includes("secret")), false);
  ignore(/status of 401/);
});

const long = {
  pieces: [
    event({ reasoning_content: "The user wants the weather. I have a tool for that:\n\n1. call it\n2. say what it gives" }),
    event({ content: "I look at the **weather** first." }),
    event({ tool_calls: [{ index: 0, id: "call_1", type: "function", function: { name: "get_weather", arguments: '{"city": "Lisbon"}' } }] }, "tool_calls"),
  ],
};
const report = `It is **21 °C and sunny** in Lisbon.

### How sure is that?

| source | °C | wind |
|---|---|---|
| station | 21 | 12 km/h |
| model | 20.4 | 14 km/h |

- the station is *close by*
  - and new
- the model is not

\`\`\`python
def mean(values):
    return sum(values) / len(values)
\`\`\`

> Weather is what you get.

See https://example.org/weather for more.`;
const script = (request) => {
  const last = request.messages[request.messages.length - 1];
  return last.role === "tool" ? { pieces: [event({ reasoning_content: "Sunny." }), event({ content: report })] }
    : request.tools ? long : { pieces: [event({ content: "A picture of digits." })] };
};

test("a tool is declared, called, and given its result; thoughts are folded", async () => {
  await open(script);
  await user.click("#open-tools");
  await user.click("#add-tool");
  await user.page.keyboard.press("Escape");
  await user.alt("KeyT");
  await user.send("What is the weather in Lisbon?");
  await user.answer();
  const [asked] = server.asked;
  assert.equal(asked.tools[0].function.name, "get_weather");
  assert.equal(asked.tools[0].function.parameters.type, "object");
  assert.equal(asked.chat_template_kwargs.enable_thinking, true);
  assert.equal(await user.page.$eval(".assistant .thought", (fold) => fold.open), false);
  await user.click(".assistant .thought summary");
  assert.match(await user.text(".assistant .thought .markdown"), /I have a tool/);
  await user.click(".results-form textarea");
  await user.page.keyboard.type('{"celsius": 21}');
  await user.page.keyboard.press("Enter");
  await user.waitForText(answerText, "sunny");
  const { messages } = server.asked[1];
  assert.deepEqual(messages.map((one) => one.role), ["user", "assistant", "tool"]);
  assert.deepEqual(messages[2], { role: "tool", tool_call_id: "call_1", name: "get_weather", content: '{"celsius": 21}' });
  assert.equal(messages[1].tool_calls[0].function.arguments, '{"city": "Lisbon"}');
  assert.equal(await user.count(".results-form"), 0);
  await user.page.evaluate(() => Object.defineProperty(navigator, "clipboard", { value: { writeText: async (text) => (window.copied = text) } }));
  await user.click(".code figcaption button");
  assert.match(await user.page.evaluate(() => window.copied), /^def mean/);
});

const png = "iVBORw0KGgoAAAANSUhEUgAAACAAAAAQCAIAAAD4YuoOAAAAMUlEQVR42mNk+M9AU8DEQGMwasGoBaMWjFowasGoBaMWjFowasGoBaMWjFowasGoBQAvzQEfZ7GPVgAAAABJRU5ErkJggg==";

/** @type {[string, {width?: number, height?: number, dark?: boolean}][]} */
const looks = [["light", {}], ["narrow", { width: 360, height: 740 }], ["narrowest-dark", { width: 320, height: 640, dark: true }]];
if (process.env.LAMINA_PAGE_PICTURES) looks.push(["dark", { dark: true }]);
for (const [name, look] of looks) {
  test(`nothing sticks out: ${name}`, async () => {
    await open(script, look);
    await picture(`${name}-empty`);
    await user.setUp({ thinking: true, tools: [{ name: "get_weather", description: "Tells the weather", parameters: "" }] });
    await user.send("What is the weather in Lisbon?");
    await user.answer();
    await picture(`${name}-call`);
    await user.click(".results-form textarea");
    await user.page.keyboard.type('{"celsius": 21}');
    await user.click(".results-form .primary");
    await user.waitForText(answerText, "sunny");
    await user.answer();
    assert.deepEqual(await user.overflow(), []);
    await picture(`${name}-long`);
    await user.setUp({ tools: [] });
    await user.hand("paste", png, "image/png", "a-picture-with-quite-a-long-name-that-goes-on.png");
    await user.write("What is this?");
    await picture(`${name}-attached`);
    await user.page.keyboard.press("Enter");
    await user.answer();
    assert.deepEqual(await user.overflow(), []);
    for (const dialog of ["settings", "tools", "model", "shortcuts"]) {
      await user.page.evaluate((id) => document.getElementById(`open-${id}`).click(), dialog);
      await user.page.waitForSelector(`#${dialog}[open]`, waiting);
      if (dialog === "model") await user.page.waitForSelector("#model .cells", waiting);
      assert.deepEqual(await user.overflow(), []);
      await picture(`${name}-${dialog}`);
      await user.page.keyboard.press("Escape");
    }
    const colour = await user.page.$eval("body", (body) => getComputedStyle(body).backgroundColor);
    const isDark = colour.match(/\d+/g).every((part) => Number(part) < 128);
    assert.equal(isDark, Boolean(look.dark));
    await user.click("#theme");
    assert.notEqual(await user.page.$eval("body", (body) => getComputedStyle(body).backgroundColor), colour);
    if ((look.width ?? 1200) < 800) {
      await user.click("#menu");
      await user.page.waitForSelector("#sidebar #new:focus", waiting);
      await picture(`${name}-list`);
      await user.page.keyboard.press("Escape");
      assert.equal(await user.page.$eval("#sidebar", (one) => getComputedStyle(one).visibility), "hidden");
    }
  });
}
