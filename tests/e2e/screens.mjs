// screens.mjs - a picture of every screen, into the folder that is named.
//
//     node screens.mjs build/screens
//
// The bot's screens are gone through once in Russian on a wide light page and
// once in English on a narrow dark one; then the chat page itself, in both.
import { mkdirSync } from "node:fs";
import { openBrowser, openChat } from "./lib/browser.mjs";
import { findGround } from "./lib/ground.mjs";
import { Walk } from "./lib/walk.mjs";

const folder = process.argv[2] ?? "build/screens";
const ground = findGround();

const words = { ru: "маяк в снегу на закате, акварель", en: "a lighthouse in the snow at dusk, watercolour" };

// In the order of a first visit. A name is the file's; what follows leads there.
const screens = [
    ["start", (walk) => walk.say("/start")],
    ["menu", (walk) => walk.say("/menu")],
    ["help", (walk) => walk.tap("help:open")],
    ["language", (walk) => walk.say("/language")],
    ["balance", (walk) => walk.say("/balance")],
    ["gallery-empty", (walk) => walk.say("/gallery")],
    ["unknown-words", (walk) => walk.say("?")],
    ["cancel-nothing", (walk) => walk.say("/cancel")],
    ["create", (walk) => walk.say("/create")],
    ["flux-no-avatar", (walk) => walk.tap("flux:open")],
    ["imagen-words", (walk) => walk.tap("imagen:open")],
    ["imagen-bad-words", (walk) => walk.say("я")],
    ["imagen-options", (walk) => walk.say(words[walk.language])],
    ["imagen-options-chosen", async (walk) => {
        await walk.tap("imagen:ratio", "16:9");
        await walk.tap("imagen:count", "2");
    }],
    ["imagen-ordered", (walk) => walk.tap("imagen:make")],
    ["imagen-running", (walk) => walk.page.waitForTimeout(3000)],
    ["imagen-done", (walk) => walk.until("imagen:again")],
    ["imagen-again", (walk) => walk.tap("imagen:again")],
    ["imagen-again-done", (walk) => walk.untilGone("generation:cancel")],
    ["gallery", (walk) => walk.say("/gallery")],
    ["gallery-older", (walk) => walk.tap("gallery:older")],
    ["gallery-favorite", (walk) => walk.tap("gallery:favorite")],
    ["gallery-delete", (walk) => walk.tap("gallery:delete")],
    ["gallery-deleted", (walk) => walk.tap("gallery:remove")],
    ["imagen-cancelled", async (walk) => {
        await walk.fault("fal.seconds", 30);
        await order(walk);
        await walk.button("generation:cancel").click();
        await walk.page.waitForTimeout(6000);
        await walk.fault("fal.seconds", null);
    }],
    ["imagen-refused", async (walk) => {
        await walk.fault("fal.fail", { status: 422, type: "content_policy_violation" });
        await order(walk);
        await walk.page.waitForTimeout(10000);
        await walk.fault("fal.fail", null);
    }],
    ["balance-after", (walk) => walk.say("/balance")],
    ["commands", async (walk) => {
        await walk.input.pressSequentially("/");
        await walk.page.waitForTimeout(300);
    }],
];

async function order(walk) {
    await walk.say("/create");
    await walk.say(words[walk.language]);
    await walk.tap("imagen:make");
}

// A screen that cannot be reached is reported and does not hide those after it.
async function walkThrough(browser, language, options) {
    const walk = await Walk.begin(browser, ground, language, options);
    walk.language = language;
    let failures = 0;
    for (const [at, [name, go]] of screens.entries()) {
        const file = `${folder}/${language}-${String(at + 1).padStart(2, "0")}-${name}.png`;
        try {
            await go(walk);
            console.log(file);
        } catch (error) {
            failures++;
            console.error(`${file}: ${error.message.split("\n")[0]}`);
        }
        await walk.page.screenshot({ path: file });
    }
    for (const refusal of await walk.refusals()) console.error(`refused: ${refusal}`);
    await walk.end();
    return failures;
}

async function picturePage(browser, scheme) {
    const shoot = async (name, options, work = async () => {}) => {
        const page = await openChat(browser, ground.url, { scheme, language: "ru-RU", ...options });
        const users = await page.locator(".person").evaluateAll((rows) => rows.slice(0, 2).map((row) => row.dataset.user));
        await page.goto(`${ground.url}/#${users.slice(0, options.width > 1500 ? 2 : 1).join(",")}`);
        await page.reload();
        await page.waitForSelector("body[data-ready]");
        await work(page);
        await page.waitForTimeout(400);
        await page.screenshot({ path: `${folder}/page-${scheme}-${name}.png` });
        console.log(`${folder}/page-${scheme}-${name}.png`);
        await page.context().close();
    };
    await shoot("wide", { width: 1600, height: 950 }, async (page) => {
        await page.locator("#faults summary").click();
        await page.locator(".call-head").first().click();
    });
    await shoot("new-user", { width: 1280, height: 860 }, (page) => page.locator("#person-add").click());
    await shoot("narrow", { width: 390, height: 844 });
    await shoot("narrow-users", { width: 390, height: 844 }, (page) => page.getByRole("button", { name: "Пользователи" }).click());
    await shoot("narrow-calls", { width: 390, height: 844 }, (page) => page.getByRole("button", { name: "Вызовы Bot API" }).click());
}

mkdirSync(folder, { recursive: true });
const browser = await openBrowser();
let failures = 0;
try {
    failures += await walkThrough(browser, "ru", { width: 1280, height: 900, scheme: "light", language: "ru-RU" });
    failures += await walkThrough(browser, "en", { width: 390, height: 844, scheme: "dark", language: "en-GB" });
    for (const scheme of ["light", "dark"]) await picturePage(browser, scheme);
} finally {
    await browser.close();
}
process.exitCode = failures ? 1 : 0;
