// avatar_faults_test.mjs - uploads, trainings and pictures with an avatar while an outside party
// misbehaves: FAL, the object store, Telegram. Each ends as it would have, once, or in words and with all
// coins back. docs/faults.md has the table of which fault meets which of the three where.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import {
    atFal, avatarOf, beginAvatar, choosesPicture, hurry, judged, orderPicture, orderTraining, photosOf, readyAvatar, requestAtFal,
    trainedAvatar, trainingEnded,
} from "../e2e/lib/avatar.mjs";
import { OwnGround } from "../e2e/lib/ground.mjs";
import { Person, checkLedger } from "../e2e/lib/person.mjs";
import { portraits } from "../e2e/lib/photos.mjs";
import { until } from "../e2e/lib/until.mjs";

const least = 4, trainingCost = 150, pictureCost = 5;
let ground, painter; // the painter has an avatar already

async function reset() {
    await ground.noFaults();
    await ground.fault("fal.pixels", 64);
    await ground.fault("fal.seconds", 0);
    await ground.fault("fal.training_seconds", 0);
    await ground.fault("fal.retry_scale", 0.02);
    await ground.fault("telegram.retry_scale", 0.02);
}

before(async () => {
    ground = await OwnGround.start("avatar_faults", {
        settings: {
            SEND_CHAT_MESSAGES_PER_SECOND: 100, AVATAR_MIN_PHOTOS: least, WELCOME_COINS: 100000, AVATAR_CREATION_COST: trainingCost,
            IMAGE_GENERATION_COST: pictureCost, AUTO_GENERATE_PREVIEW: false,
        },
    });
    await reset();
    painter = await meet();
    painter.avatar = await trainedAvatar(painter, { type: "style", photos: least, name: "The painter" });
});

beforeEach(reset);

after(() => ground?.end());

async function meet() {
    return (await Person.meet(ground)).start();
}

// Somebody with photos enough, who has not ordered yet.
async function trainee() {
    const person = await meet();
    return { person, avatar: await readyAvatar(person, { type: "style", photos: least, name: "Trainee" }) };
}

const transfersOf = async (id) => (await ground.sql("select kind from ledger_transfers where subject = :'id' order by id", { id })).map((row) => row.kind);

async function isTrained({ person, avatar }, training) {
    await trainingEnded(ground, training, "completed");
    assert.deepEqual(await transfersOf(training.id), ["hold", "capture"]);
    assert.equal((await avatarOf(ground, avatar.id)).status, "completed");
    const files = await ground.sql("select kind from avatar_files where avatar_id = :'id' order by kind", { id: avatar.id });
    assert.deepEqual(files.map((file) => file.kind), ["config", "lora"]);
    return person;
}

async function isTold({ person, avatar }) {
    await person.see((message) => /✨/.test(message.text) && message.text.includes(avatar.name));
    assert.equal((await person.messages()).filter((message) => /✨/.test(message.text)).length, 1);
}

// The training failed, and this is said; the coins are back, the photos where they were.
async function isGivenBack({ person, avatar }, training, words) {
    await trainingEnded(ground, training, "failed");
    assert.deepEqual(await transfersOf(training.id), ["hold", "release"]);
    await person.see(words);
    assert.equal((await photosOf(ground, avatar.id)).length, least);
    const now = await avatarOf(ground, avatar.id);
    assert.ok(["error", "ready_for_training"].includes(now.status), now.status);
}

let drawn = 0;
const newWords = () => `picture number ${++drawn} of the fault test.`;

async function pictureEnded(order, status) {
    await until(async () => {
        await hurry(ground, order.id);
        return (await ground.row("select status from image_generations where id = :'id'", { id: order.id })).status === status;
    }, `the picture being ${status}`);
    return painter.ended(order, status);
}

async function isDrawn(order, words) {
    await pictureEnded(order, "completed");
    assert.deepEqual(await transfersOf(order.id), ["hold", "capture"]);
    assert.equal((await ground.row("select count(*)::int as count from images where generation_id = :'id'", { id: order.id })).count, 1);
    await painter.picture(words);
    assert.equal((await painter.photos()).filter((message) => message.text.includes(words)).length, 1);
}

// A step of this thing has been tried and waits.
const isWaiting = (subject) => until(() => ground.row(
    "select id from jobs where subject = :'subject' and state in ('queued', 'running') and last_error is not null", { subject }), "a step that was tried in vain");

test("FAL slow: the work moves and ends, a training and a picture", async () => {
    const one = await trainee(), words = newWords();
    await ground.fault("fal.training_seconds", 6);
    await ground.fault("fal.seconds", 4);
    const training = await atFal(ground, await orderTraining(one.person, one.avatar));
    const order = await orderPicture(painter, words);
    await until(async () => {
        await hurry(ground, training.id);
        return (await avatarOf(ground, one.avatar.id)).training_progress > 0;
    }, "progress above nothing");
    await isTrained(one, training);
    await isTold(one);
    await isDrawn(order, words);
});

test("FAL refusing for a while: storage, submission, status and files are waited for", async () => {
    const one = await trainee(), words = newWords();
    const away = ["fal.storage", "fal.submit", "fal.status", "fal.result", "fal.file"];
    for (const name of away) await ground.fault(name, 503);
    await ground.fault("fal.callback", "never");
    const training = await orderTraining(one.person, one.avatar), order = await orderPicture(painter, words);
    await isWaiting(training.id);
    await isWaiting(order.id);
    await ground.fault("fal.storage", null);
    await ground.fault("fal.submit", null);
    await atFal(ground, training);
    for (const name of away) await ground.fault(name, null);
    await isTrained(one, training);
    await isTold(one);
    await isDrawn(order, words);
});

test("FAL refusing for good: explained and given back", async () => {
    const one = await trainee(), words = newWords();
    await ground.fault("fal.fail", { status: 422, type: "content_policy_violation" });
    const training = await orderTraining(one.person, one.avatar), order = await orderPicture(painter, words);
    await isGivenBack(one, training, /safety filter/);
    await pictureEnded(order, "failed");
    assert.deepEqual(await transfersOf(order.id), ["hold", "release"]);
    await painter.see((message) => message.text.includes(words) && /coins are back/.test(message.text));
});

// How FAL calls back: never, before its own answer, after the checks, three times.
for (const [mode, what] of [["never", "silent"], ["early", "early"], ["late:3", "late"], ["three", "repeating"]])
    test(`FAL ${what}: one avatar and one picture, each paid once`, async () => {
        const one = await trainee(), words = newWords();
        await ground.fault("fal.callback", mode);
        const training = await orderTraining(one.person, one.avatar), order = await orderPicture(painter, words);
        await isTrained(one, training);
        await isDrawn(order, words);
        if (mode !== "never")
            for (const name of [(await avatarOf(ground, one.avatar.id)).fal_request_id, (await painter.orderOf(words)).fal_request_id])
                await until(async () => {
                    const request = await requestAtFal(ground, name);
                    return request.callback_attempts >= (mode === "three" ? 3 : 1) && request.callback_status === 200;
                }, "a callback that was taken");
        await isTrained(one, training);
        await isTold(one);
        await isDrawn(order, words);
    });

test("S3 down: photos, archive, what was learned and pictures wait for it", async () => {
    const [before, amid] = [await trainee(), await trainee()], uploader = await meet(), words = newWords();
    const draft = await beginAvatar(uploader, { type: "object", name: "Uploader" });
    await ground.fault("fal.training_seconds", 3);
    const atWork = await atFal(ground, await orderTraining(amid.person, amid.avatar));
    await ground.fault("store.answer", 503);
    await uploader.sendPhotos(portraits(3, { from: 31 }));
    const training = await orderTraining(before.person, before.avatar), order = await orderPicture(painter, words);
    const photos = await until(async () => {
        const rows = await photosOf(ground, draft.id);
        return rows.length === 3 && rows;
    }, "three photos");
    await isWaiting(photos[0].id);
    for (const subject of [training.id, atWork.id, order.id]) await isWaiting(subject);
    assert.ok((await photosOf(ground, draft.id)).every((photo) => photo.validation_status === "pending"));
    assert.deepEqual([await transfersOf(atWork.id), await transfersOf(order.id)], [["hold"], ["hold"]], "not paid before it is stored");

    await ground.fault("store.answer", null);
    assert.ok((await judged(ground, draft.id, 3)).every((photo) => photo.validation_status === "valid"));
    await isTrained(before, training);
    await isTrained(amid, atWork);
    await isTold(before);
    await isDrawn(order, words);
});

test("Telegram 429: photos are fetched and everything is told, later", async () => {
    const one = await trainee(), uploader = await meet(), words = newWords();
    const draft = await beginAvatar(uploader, { type: "object", name: "Uploader" });
    const make = await choosesPicture(painter, words);
    const training = await ground.withoutWorkers(async () => {
        const ordered = await orderTraining(one.person, one.avatar);
        await uploader.sendPhotos(portraits(3, { from: 41 }));
        await painter.act("tap", make);
        await until(() => painter.orderOf(words), "the order");
        await ground.settled();
        await ground.fault("telegram.429", { retry_after: 1, times: 8 });
        return ordered;
    });
    assert.ok((await judged(ground, draft.id, 3)).every((photo) => photo.validation_status === "valid"));
    await uploader.see(/\b3 of \d+/);
    await isTrained(one, training);
    await isTold(one);
    await isDrawn(await painter.orderOf(words), words);
    const { calls } = await ground.control("calls?limit=20000");
    assert.ok(calls.some((call) => call.status === 429), "there were 429s");
});

test("Telegram 403: who blocks the bot loses nothing that was paid, and is left alone", async () => {
    const one = await trainee(), uploader = await meet(), artist = await meet(), words = newWords();
    artist.avatar = await trainedAvatar(artist, { type: "style", photos: least, name: "The artist" });
    const draft = await beginAvatar(uploader, { type: "object", name: "Uploader" });
    const make = await choosesPicture(artist, words);
    const [training, order] = await ground.withoutWorkers(async () => {
        await uploader.sendPhotos(portraits(3, { from: 51 }));
        await artist.act("tap", make);
        const ordered = await until(() => artist.orderOf(words), "the order");
        const begun = await orderTraining(one.person, one.avatar);
        await ground.settled();
        for (const person of [one.person, uploader, artist]) await person.act("block");
        return [begun, ordered];
    });
    assert.ok((await judged(ground, draft.id, 3)).every((photo) => photo.validation_status === "valid"));
    await isTrained(one, training);
    await artist.ended(order, "completed");
    assert.deepEqual(await transfersOf(order.id), ["hold", "capture"]);

    for (const person of [one.person, uploader, artist]) await person.act("unblock");
    await one.person.say("/avatars");
    await one.person.see((message) => message.text.includes("Trainee") && /⭐/.test(message.text));
    await artist.say("/gallery");
    await artist.see((message) => message.kind === "photo" && message.text.includes(words));
});

test("in the end nothing is stuck, nothing is set aside, and no call was refused", async () => {
    await until(async () => (await ground.row("select count(*)::int as open from jobs where state in ('queued', 'running')")).open === 0, "no job left", 180);
    assert.deepEqual(await ground.sql("select id, kind, last_error from jobs where state = 'dead'"), []);
    assert.deepEqual(await ground.sql("select id, name from avatars where status = 'training'"), []);
    assert.deepEqual(await ground.sql("select id from avatar_photos where validation_status = 'pending'"), []);
    assert.deepEqual(await ground.sql("select id from avatar_trainings where status in ('pending', 'processing')"), []);
    await checkLedger(ground);
    const { held } = await ground.row("select coalesce(sum(balance), 0)::int as held from ledger_accounts where kind = 'held'");
    assert.equal(held, 0);
    assert.deepEqual(await ground.callReport(), []);
});
