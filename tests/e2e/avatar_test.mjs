// avatar_test.mjs - from twenty photos to a picture of oneself, as a person goes it: in Chromium
// through nginx, the bot, the workers, aisha-photo and the sandbox, with bot and workers stopped in the
// middle of the training; and by the control door for the types that need no browser to be seen.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { atFal, avatarOf, hasButton, hurry, judged, newestAvatar, orderPicture, photosOf, trainedAvatar, trainingEnded, trainingOf } from "./lib/avatar.mjs";
import { openBrowser } from "./lib/browser.mjs";
import { OwnGround } from "./lib/ground.mjs";
import { Person, checkLedger } from "./lib/person.mjs";
import { notPicture, portrait, portraits, tooSmall } from "./lib/photos.mjs";
import { until } from "./lib/until.mjs";
import { Walk } from "./lib/walk.mjs";

const price = { avatar: 150, picture: 5 };
let ground, browser, desk;

before(async () => {
    desk = mkdtempSync(join(tmpdir(), "aisha-desk-"));
    ground = await OwnGround.start("avatar", { settings: { SEND_CHAT_MESSAGES_PER_SECOND: 100, AVATAR_CREATION_COST: price.avatar, IMAGE_GENERATION_COST: price.picture } });
    browser = await openBrowser();
});

beforeEach(async () => {
    await ground.noFaults();
    await ground.fault("fal.pixels", 128);
    await ground.fault("fal.seconds", 0);
    await ground.fault("fal.retry_scale", 0.02);
    await ground.fault("telegram.retry_scale", 0.02);
});

after(async () => {
    await browser?.close();
    await ground?.end();
    rmSync(desk, { recursive: true, force: true });
});

const lay = (files) => files.map(({ name, bytes }, at) => {
    const path = join(desk, `${at}-${name}`);
    writeFileSync(path, bytes);
    return path;
});

// Somebody in the browser, who can also be asked for by the control door.
async function sit(language) {
    const walk = await Walk.begin(browser, ground, language);
    await walk.say("/start");
    const person = new Person(ground, walk.user);
    person.rowId = (await ground.row("select id from users where telegram_id = :'id'", { id: walk.user })).id;
    return { walk, person, atFirst: (await person.balance()).balance };
}

const inTray = (walk, count) => walk.page.waitForFunction(([user, wanted]) =>
    document.querySelectorAll(`.column[data-user="${user}"] .tray li`).length === wanted, [walk.user, count]);

// Lets files go over the chat, waits until all lie in the tray, and sends them.
async function send(walk, files, kind = "photo") {
    if (kind === "photo") await walk.drop(lay(files));
    else await walk.choose(lay(files), kind);
    await inTray(walk, files.length);
    await walk.column.getByRole("button", { name: /^(Send|Отправить)$/ }).click();
    await inTray(walk, 0);
}

// Bot and workers are stopped at once, by TERM as in a deploy, and stay away meanwhile.
const withoutAll = (acts) => ["worker-1", "worker-2", "bot"].reduce((inner, name) => () => ground.without(name, "SIGTERM", inner), acts)();

const percentShown = (walk) => walk.column.evaluate((column) =>
    [...column.querySelectorAll(".from-bot")].map((one) => /(\d+)%/.exec(one.innerText)?.[1]).findLast(Boolean));

// What the message that shows the training has said so far, one edit after another.
async function progressTexts(name) {
    const { calls } = await ground.control("calls?method=editMessageText&limit=2000");
    return [...new Set(calls.map((call) => JSON.parse(call.parameters)).map((call) => call.text).filter((text) => text.includes(name) && /📦|🕓|🧠|💾/.test(text)))];
}

test("twenty photos become an avatar and pictures of it, across a stop of bot and workers", async () => {
    const { walk, person, atFirst } = await sit("ru");
    await walk.say("/avatars");
    await walk.tap("avatar:new");
    await walk.tap("avatar:agree");
    await walk.tap("avatar:portrait");
    await walk.tap("avatar:gender", "female");
    await walk.say("Нина");
    const { id } = await newestAvatar(person);

    // Ten and seven in two albums, of which one is too small, one comes twice and one nearly so; one
    // single photo, one as a file, and something that is no picture.
    await send(walk, portraits(10));
    await send(walk, [...portraits(4, { from: 11 }), tooSmall(15), portrait(1), portrait(2, { near: 1 })]);
    await send(walk, [portrait(16)]);
    await send(walk, [portrait(17)], "document");
    await send(walk, [notPicture], "document");
    const photos = await judged(ground, id, 20);
    assert.deepEqual(photos.filter((photo) => photo.validation_status === "valid").length, 16);
    assert.deepEqual(photos.map((photo) => photo.validation_error).filter(Boolean).sort(), ["alike", "duplicate", "format", "too_small"]);

    const newest = Math.max(...photos.map((photo) => photo.message_id));
    await person.see((message) => hasButton(message, "photos:show") && /16 из 20/.test(message.text) && message.message_id > newest);
    const said = await until(async () => {
        const all = await person.messages();
        return all.filter((message) => /🚫/.test(message.text)).length === 4 && all;
    }, "four refusals");
    assert.equal(said.filter((message) => hasButton(message, "photos:show")).length, 1, "one progress message");
    for (const photo of photos.filter((one) => one.validation_error))
        assert.equal(said.filter((message) => message.reply_to === photo.message_id && /🚫/.test(message.text)).length, 1, `${photo.validation_error} is told under its photo`);
    await walk.page.waitForFunction((user) => /16 из 20/.test(document.querySelector(`.column[data-user="${user}"]`).innerText), walk.user);

    await walk.tap("photos:show");
    await walk.tap("photos:older");
    await walk.tap("photos:delete");
    await walk.tap("photos:delete_yes");
    await walk.tap("photos:open");
    assert.equal((await photosOf(ground, id)).filter((photo) => photo.validation_status === "valid").length, 15);

    await ground.fault("fal.training_seconds", 14);
    await walk.tap("training:open");
    await walk.tap("training:preset", "fast");
    await walk.tap("training:start");
    const training = await atFal(ground, await trainingOf(ground, id));
    const first = await until(async () => (await hurry(ground, training.id), percentShown(walk)), "a first percentage");
    await until(async () => (await hurry(ground, training.id), Number(await percentShown(walk)) > Number(first)), "a second percentage");
    assert.ok((await progressTexts("Нина")).length >= 2);
    assert.equal((await avatarOf(ground, id)).status, "training");

    // FAL finishes while nobody is there to be told.
    await withoutAll(() => until(async () => {
        const { requests } = await ground.control(`requests?id=${training.fal_request_id}`);
        return requests[0].state === "done" && requests[0].callback_attempts > 0;
    }, "a training that is over at FAL"));
    await trainingEnded(ground, training, "completed");
    await person.see((message) => /готов/.test(message.text) && message.text.includes("Нина"));
    const avatar = await avatarOf(ground, id);
    assert.deepEqual([avatar.status, avatar.is_main, avatar.photos_count], ["completed", true, 1]);
    assert.equal((await photosOf(ground, id)).length, 1, "the first photo stays, as the consent said");

    const present = await person.see((message) => message.kind === "photo" && /🎁/.test(message.text));
    await until(async () => (await avatarOf(ground, id)).preview_key, "a picture for the card");
    await walk.say("/avatars");
    const card = walk.column.locator(".from-bot").last();
    assert.match(await card.innerText(), /Нина/);
    await card.locator(".photo img").evaluate((image) => image.decode());
    await walk.say("/gallery");
    await walk.column.locator(".from-bot .photo img").last().evaluate((image) => image.decode());
    assert.ok(present.media, "the present is a picture");

    await walk.say("/create");
    await walk.tap("flux:open");
    await walk.say("в дождевике на мосту");
    await walk.tap("flux:ratio", "9:16");
    await walk.tap("flux:count", "2");
    await walk.tap("flux:make");
    await walk.until("flux:again");
    const { width, height } = await walk.column.locator(".from-bot .grid img, .from-bot .photo img").last().evaluate(async (image) => {
        await image.decode();
        return { width: image.naturalWidth, height: image.naturalHeight };
    });
    assert.ok(height > width, `${width}×${height} is 9:16`);
    const pictures = async () => (await ground.row("select count(*)::int as count from images where user_id = :id", { id: person.rowId })).count;
    assert.equal(await pictures(), 3);
    await walk.tap("flux:again");
    await until(async () => await pictures() === 5, "the same two once more");
    await until(async () => (await person.balance()).held === 0, "nothing set aside");
    assert.deepEqual(await person.balance(), { balance: atFirst - price.avatar - 4 * price.picture, held: 0 });

    assert.deepEqual(await walk.refusals(), []);
    assert.deepEqual(walk.page.complaints, []);
    await walk.end();
});

// The button under this order's result; the present has one too.
async function again(person, words) {
    const result = await person.see((message) => message.text.includes(words) && hasButton(message, "flux:again"));
    const { callback_data: data } = result.markup.inline_keyboard.flat().find((button) => button.callback_data.startsWith("flux:again"));
    await person.act("tap", { message_id: result.message_id, data });
}

for (const [article, type] of [["a", "style"], ["an", "object"]])
    test(`${article} ${type} is trained, drawn with, and drawn once more`, async () => {
        await ground.fault("fal.training_seconds", 1);
        const person = await (await Person.meet(ground)).start();
        const { balance: atFirst } = await person.balance();
        const avatar = await trainedAvatar(person, { type, photos: 10, name: `My ${type}`, seed: 3, preset: "fast" });
        assert.deepEqual([avatar.gender, avatar.training_type, avatar.is_main], [null, type, true]);
        const words = "over the roofs of a town";
        const order = await orderPicture(person, words, ["flux:ratio:…:16:9", "flux:count:…:2"]);
        await person.ended(order, "completed");
        await again(person, words);
        await until(async () => (await ground.row("select count(*)::int as count from image_generations where user_id = :id and original_prompt = :'words' and status = 'completed'",
            { id: person.rowId, words })).count === 2, "the second order");
        await until(async () => (await person.balance()).held === 0, "nothing set aside");
        assert.equal((await person.balance()).balance, atFirst - price.avatar - 4 * price.picture);
        await person.checkTaps();
    });

test("money adds up, and the Bot API took every call", async () => {
    await checkLedger(ground);
    assert.deepEqual(await ground.callReport(), []);
});
