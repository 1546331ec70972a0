// Drives Chromium for chromium.py: node drive.mjs PACKAGES CHROMIUM
// Each line of its input is a call, {"call": "press", "page": 0, ...}; each line of its output is the answer to one,
// {"value": ...} or {"error": "..."}. It ends with its input.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [packages, executablePath] = process.argv.slice(2);
const require = createRequire(packages + "/package.json");
const { chromium } = require("playwright-core");
const { PNG } = require("pngjs");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const browser = await chromium.launch({ executablePath });
const pages = [];
const PATIENCE = 30_000;

async function open({ url, width, height, dark, scripts }) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? "dark" : "light",
    reducedMotion: "reduce",
    javaScriptEnabled: scripts,
    locale: "en-GB",
    timezoneId: "UTC",
  });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const opened = { context, page, faults: [], requests: [] };
  page.on("pageerror", (error) => opened.faults.push(`page error: ${error.message}`));
  // What a content-security policy refuses is an error of the console, too.
  page.on("console", (line) => {
    if (["error", "warning"].includes(line.type())) opened.faults.push(`console ${line.type()}: ${line.text()}`);
  });
  page.on("dialog", (dialog) => {
    opened.faults.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("requestfailed", (request) => {
    // A request that the page itself gave up, as it does when another page is opened, is no fault.
    const why = request.failure().errorText;
    if (why !== "net::ERR_ABORTED") opened.faults.push(`request failed: ${request.url()}: ${why}`);
  });
  page.on("request", (request) => opened.requests.push(request));
  await page.goto(url);
  return pages.push(opened) - 1;
}

async function wait(page, expression) {
  // Asked from here: waitForFunction() has the page evaluate a text, which its policy refuses.
  for (const end = Date.now() + PATIENCE; !(await isTrue(page, expression)); await new Promise((go) => setTimeout(go, 50))) {
    if (Date.now() > end) throw new Error("it did not come true");
  }
}

async function isTrue(page, expression) {
  try {
    return await page.evaluate(expression);
  } catch (error) {
    if (/Execution context was destroyed/.test(error.message)) return false; // the page goes to another just now
    throw error;
  }
}

async function ink(page, { selector, without }) {
  const sheet = await page.evaluateHandle((without) => {
    // Constructed, for a style element would have to be in the policy of the page.
    const sheet = new CSSStyleSheet();
    if (without) sheet.replaceSync(`${without} { visibility: hidden !important }`);
    document.adoptedStyleSheets.push(sheet);
    return sheet;
  }, without);
  const boxes = await page.evaluate((selector) => {
    const visible = [...document.querySelectorAll(selector)].filter((element) => element.checkVisibility());
    return visible.map((element) => {
      const { left, top, right, bottom } = element.getBoundingClientRect();
      return { label: element.getAttribute("aria-label") ?? "", left, top: top + scrollY, right, bottom: bottom + scrollY };
    });
  }, selector);
  // One picture of all: one of each element takes seconds.
  const picture = PNG.sync.read(await page.screenshot({ fullPage: true }));
  const found = boxes.map(({ label, left, top, right, bottom }) => {
    const colours = new Map();
    let most = 0, pixels = 0;
    for (let y = Math.ceil(top); y < Math.min(Math.floor(bottom), picture.height); y++) {
      for (let x = Math.ceil(left); x < Math.min(Math.floor(right), picture.width); x++) {
        const colour = picture.data.readUInt32BE((y * picture.width + x) * 4);
        const times = (colours.get(colour) ?? 0) + 1;
        colours.set(colour, times);
        most = Math.max(most, times);
        pixels++;
      }
    }
    return { label, colours: colours.size, pixels: pixels - most };
  });
  await page.evaluate((sheet) => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((each) => each !== sheet);
  }, sheet);
  return found;
}

async function accessibility(page, { tags }) {
  await page.evaluate(axe); // not as a script of the page, which its policy would refuse
  const { violations } = await page.evaluate((tags) => axe.run(document, { runOnly: tags }), tags);
  return violations.flatMap(({ id, impact, nodes }) =>
    nodes.map(({ target, failureSummary, html }) => ({ rule: id, impact, target: target.join(" "), html, why: failureSummary })),
  );
}

const CALLS = {
  open: (_, call) => open(call),
  goto: async ({ page }, { url }) => void (await page.goto(url)),
  reload: async ({ page }) => void (await page.reload()),
  read: ({ page }, { expression }) => page.evaluate(expression),
  wait: ({ page }, { expression }) => wait(page, expression),
  click: ({ page }, { selector }) => page.click(selector),
  press: ({ page }, { key }) => page.keyboard.press(key),
  type: ({ page }, { text }) => page.keyboard.type(text),
  choose: async ({ page }, { selector, value }) => void (await page.selectOption(selector, value)),
  print: ({ page }) => page.emulateMedia({ media: "print" }),
  pdf: async ({ page }, { path }) => void (await page.pdf({ path })),
  screenshot: async ({ page }, { path, whole }) => void (await page.screenshot({ path, fullPage: whole })),
  picture: async ({ page }, { path, selector }) => void (await page.locator(selector).first().screenshot({ path })),
  ink: ({ page }, call) => ink(page, call),
  accessibility: ({ page }, call) => accessibility(page, call),
  faults: ({ faults }) => faults,
  requests: ({ requests }) =>
    Promise.all(requests.map(async (request) => ({ url: request.url(), headers: await request.allHeaders() }))),
  cookies: ({ context }) => context.cookies(),
  close: async ({ context }) => void (await context.close()),
};

// A page without scripts, for one, answers no promise.
function withinAMinute(promise) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error("no answer for a minute")), 60_000)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

for await (const line of createInterface({ input: process.stdin })) {
  const call = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await withinAMinute(CALLS[call.call](pages[call.page], call))) ?? null };
  } catch (error) {
    answer = { error: error.message };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
await browser.close();
