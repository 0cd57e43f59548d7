// line_test.mjs - the whole line as a person goes it, in Chromium, through
// nginx, the bot, the worker and the sandbox: words become a picture, the
// picture is in the gallery, and the coins add up.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openBrowser } from "./lib/browser.mjs";
import { findGround } from "./lib/ground.mjs";
import { Walk } from "./lib/walk.mjs";

const ground = findGround();
let browser;

before(async () => {
    browser = await openBrowser();
});

after(() => browser?.close());

const coins = (text) => Number(/(\d+)\s+(?:монет|coin)/.exec(text)?.[1]);

async function balance(walk) {
    await walk.say("/menu");
    return coins(await walk.column.locator(".from-bot").last().innerText());
}

for (const language of ["ru", "en"])
    test(`words become a picture that stays in the gallery (${language})`, async () => {
        const walk = await Walk.begin(browser, ground, language);
        await walk.say("/start");
        const atFirst = await balance(walk);
        assert.ok(atFirst > 0);

        for (const [words, ratio] of [["рыжий кот в скафандре", "16:9"], ["a lighthouse in the snow", "1:1"]]) {
            await walk.tap("create:open");
            await walk.tap("imagen:open");
            await walk.say(words);
            await walk.tap("imagen:ratio", ratio);
            await walk.tap("imagen:make");
            await walk.until("imagen:again");
            const picture = walk.column.locator(".from-bot .photo img").last();
            await picture.evaluate((image) => image.decode());
            const { width, height } = await picture.evaluate((image) => ({ width: image.naturalWidth, height: image.naturalHeight }));
            assert.equal(width > height, ratio === "16:9");
        }
        const price = (atFirst - await balance(walk)) / 2;
        assert.ok(price > 0 && Number.isInteger(price), `two pictures at ${price} each`);

        await walk.tap("gallery:open");
        const card = walk.column.locator(".from-bot").last();
        const shown = () => card.locator("[data-file]").getAttribute("data-file");
        const newest = await shown();
        await walk.tap("gallery:older");
        assert.notEqual(await shown(), newest);
        await walk.tap("gallery:favorite");
        assert.match(await card.locator(".text").innerText(), /⭐/);
        await walk.tap("gallery:newer");
        assert.equal(await shown(), newest);
        await walk.tap("gallery:delete");
        await walk.tap("gallery:remove");
        assert.deepEqual(await walk.refusals(), []);
        assert.deepEqual(walk.page.complaints, []);
        await walk.end();
    });
