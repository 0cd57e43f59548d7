// avatar.mjs - the way to an avatar as a person goes it by the control door: the questions, the
// photos, the price, the training; and pictures with it. What is waited for shows, or stands in a row.
import assert from "node:assert/strict";
import { portraits } from "./photos.mjs";
import { until } from "./until.mjs";

const dataOf = (message) => (message?.markup?.inline_keyboard ?? []).flat().map((button) => button.callback_data ?? "");
export const hasButton = (message, begin) => dataOf(message).some((data) => data.startsWith(begin));

export const newestAvatar = (person) =>
    person.ground.row("select * from avatars where user_id = :id order by created_at desc, id desc limit 1", { id: person.rowId });
export const avatarOf = (ground, id) => ground.row("select * from avatars where id = :'id'", { id });
export const trainingOf = (ground, id) =>
    ground.row("select * from avatar_trainings where avatar_id = :'id' order by created_at desc limit 1", { id });
export const photosOf = (ground, id) =>
    ground.sql("select * from avatar_photos where avatar_id = :'id' order by upload_order", { id });

// A command, and a tap on what came of it: older screens may have such a button as well.
async function sayAndTap(person, command, begin) {
    const before = Math.max(0, ...(await person.messages()).map((message) => message.message_id));
    await person.say(command);
    const message = await person.see((one) => one.message_id > before && hasButton(one, begin));
    await person.act("tap", { message_id: message.message_id, data: dataOf(message).find((data) => data.startsWith(begin)) });
}

// From the list to the open upload: the draft.
export async function beginAvatar(person, { type = "portrait", gender = "female", name = "Nina" } = {}) {
    await sayAndTap(person, "/avatars", "avatar:new");
    await person.tap("avatar:agree");
    if (type === "portrait") {
        await person.tap("avatar:portrait");
        await person.tap(`avatar:gender:${gender}`);
    } else {
        await person.tap(`avatar:type:${type}`);
    }
    await person.see((message) => message.kind === "text" && !hasButton(message, "avatar:") && hasButton(message, "menu:open"));
    await until(() => isAskedFor(person, "avatar_name"), "the question for a name");
    await person.say(name);
    await person.see((message) => message.text.includes(name) && hasButton(message, "avatar:delete"));
    return newestAvatar(person);
}

// The bot waits for this; a message that is faster would be an answer to something else.
async function isAskedFor(person, state) {
    const bucket = String(person.id % 64).padStart(2, "0");
    return (await person.ground.redis("hget", `session:{b${bucket}}:${person.id}`, "s")).trim() === state;
}

// All that was sent has been looked at.
export const judged = (ground, id, count) => until(async () => {
    const photos = await photosOf(ground, id);
    return photos.length >= count && photos.every((photo) => photo.validation_status !== "pending") && photos;
}, `${count} photos that were looked at`);

export async function uploadPhotos(person, avatar, files, options) {
    const before = (await photosOf(person.ground, avatar.id)).length;
    await person.sendPhotos(files, options);
    return judged(person.ground, avatar.id, before + files.length);
}

// The one message that says how many there are; it goes on changing for a moment.
export const uploadScreen = (person, kept) =>
    person.see((message) => hasButton(message, "photos:show") && new RegExp(`\\b${kept} of \\d+`).test(message.text));

// From the screen with the price to the row of the order.
export async function orderTraining(person, avatar, { preset = "balanced" } = {}) {
    await person.tap(`training:open:${avatar.id}`);
    const chosen = (message) => (message.markup?.inline_keyboard ?? []).flat()
        .some((button) => button.callback_data?.startsWith("training:preset:") && button.callback_data.endsWith(`:${preset}`) && /^●/.test(button.text));
    if (preset !== "balanced") await person.tap(`training:preset:…:${preset}`);
    await person.see(chosen);
    const before = (await trainingOf(person.ground, avatar.id))?.id;
    await person.tap("training:start:");
    return until(async () => {
        const training = await trainingOf(person.ground, avatar.id);
        return training && training.id !== before && training;
    }, "the order of a training");
}

// A draft with photos, ready to be trained.
export async function readyAvatar(person, { photos = 10, seed = 1, ...options } = {}) {
    const avatar = await beginAvatar(person, options);
    await uploadPhotos(person, avatar, portraits(photos, { from: seed }));
    await uploadScreen(person, photos);
    return avatarOf(person.ground, avatar.id);
}

// Whoever waits for the next look at FAL need not: it is due now.
export const hurry = (ground, id) =>
    ground.sql(`update jobs set run_at = now() where subject = '${id}' and state = 'queued' and kind in ('training_check', 'generation_check')`);

export const atFal = (ground, training) => until(async () => {
    const now = await ground.row("select * from avatar_trainings where id = :'id'", { id: training.id });
    return now.fal_request_id && now;
}, "a training that FAL has");

// The training has come to this end, and so has what there is to do for it now.
export function trainingEnded(ground, training, status, seconds = 120) {
    return until(async () => {
        const now = await ground.row(`select t.*, (select count(*)::int from jobs j where j.subject = t.id and j.state in ('queued', 'running')
            and j.kind not in ('training_check', 'training_drop')) as open_jobs from avatar_trainings t where id = :'id'`, { id: training.id });
        if (now.status === status && now.open_jobs === 0) return now;
        assert.ok(["pending", "processing", status].includes(now.status), `the training is ${now.status} (${now.failure}: ${now.error_message}), not ${status}`);
        await hurry(ground, training.id);
        return false;
    }, `the training ${training.id} being ${status}`, seconds);
}

// From nothing to a finished avatar.
export async function trainedAvatar(person, { preset, ...options } = {}) {
    const draft = await readyAvatar(person, options);
    const training = await orderTraining(person, draft, { preset });
    await trainingEnded(person.ground, training, "completed");
    await person.see((message) => message.text.includes(draft.name) && hasButton(message, `avatar:show:${draft.id}`) && /✨/.test(message.text));
    return avatarOf(person.ground, draft.id);
}

// What FAL was asked and returned, by the name it gave the request.
export async function requestAtFal(ground, id) {
    const { requests } = await ground.control(`requests?id=${id}`);
    assert.equal(requests.length, 1, `one request ${id} at FAL`);
    return requests[0];
}

// The price on the button that pays for pictures with an avatar: the tap.
export async function choosesPicture(person, words, choices = []) {
    await sayAndTap(person, "/create", "flux:open");
    await until(() => isAskedFor(person, "flux_words"), "the question for words");
    await person.say(words);
    await person.see((message) => message.text.includes(words) && hasButton(message, "flux:make"));
    for (const choice of choices) {
        const { data } = await person.tap(choice);
        await person.see((message) => (message.markup?.inline_keyboard ?? []).flat().some((button) => button.callback_data === data && /^●/.test(button.text)));
    }
    const message = await person.see((one) => one.text.includes(words) && hasButton(one, "flux:make"));
    return { message_id: message.message_id, data: dataOf(message).find((data) => data.startsWith("flux:make")) };
}

export async function orderPicture(person, words, choices) {
    await person.act("tap", await choosesPicture(person, words, choices));
    return until(() => person.orderOf(words), `an order for ${words}`);
}
