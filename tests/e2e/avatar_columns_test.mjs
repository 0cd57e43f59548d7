// avatar_columns_test.mjs - what the row of an avatar says of its training, column by column, held
// against what FAL really received and returned: for the three types, when it goes well and when it
// fails. And what FAL is asked for a picture: exactly the fields of its schema, with the user's values.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { avatarOf, choosesPicture, hurry, orderPicture, orderTraining, readyAvatar, requestAtFal, trainingEnded, trainingOf } from "./lib/avatar.mjs";
import { OwnGround } from "./lib/ground.mjs";
import { Person, checkLedger } from "./lib/person.mjs";
import { until } from "./lib/until.mjs";

const price = 150;
let ground;
const finished = {}; // type -> {person, avatar}

// How each type is trained here: another preset for each, so that every row of the table is met.
const kinds = {
    portrait: {
        preset: "quality", photos: 10, entrance: "portrait", model: "fal-ai/flux-lora-portrait-trainer",
        input: (url, trigger) => ({ images_data_url: url, trigger_phrase: trigger, steps: 4000, learning_rate: 0.00005, multiresolution_training: true, subject_crop: true, create_masks: true }),
    },
    style: {
        preset: "fast", photos: 4, entrance: "status", model: "fal-ai/flux-lora-fast-training",
        input: (url, trigger) => ({ images_data_url: url, trigger_word: trigger, create_masks: false, is_style: true, steps: 800 }),
    },
    object: {
        preset: "balanced", photos: 4, entrance: "status", model: "fal-ai/flux-lora-fast-training",
        input: (url, trigger) => ({ images_data_url: url, trigger_word: trigger, create_masks: true, is_style: false, steps: 1500 }),
    },
};

before(async () => {
    ground = await OwnGround.start("avatar_columns", {
        settings: { SEND_CHAT_MESSAGES_PER_SECOND: 100, AVATAR_MIN_PHOTOS: 4, WELCOME_COINS: 10000, AVATAR_CREATION_COST: price },
    });
});

beforeEach(async () => {
    await ground.noFaults();
    await ground.fault("fal.pixels", 64);
    await ground.fault("fal.seconds", 0);
    await ground.fault("fal.retry_scale", 0.1);
    await ground.fault("fal.training_seconds", 8);
});

after(() => ground?.end());

// Ordered, and seen by at least one look at FAL while it runs: then there are logs.
async function trained(type, status) {
    const person = await (await Person.meet(ground)).start();
    const { preset, photos } = kinds[type];
    const draft = await readyAvatar(person, { type, photos, name: `The ${type}`, seed: photos * 7 });
    const training = await orderTraining(person, draft, { preset });
    await until(async () => {
        await hurry(ground, training.id);
        return (await avatarOf(ground, draft.id)).training_logs;
    }, "logs of the training");
    await trainingEnded(ground, training, status);
    return { person, avatar: await avatarOf(ground, draft.id), training: await trainingOf(ground, draft.id) };
}

// Everything FAL has said of it by now.
async function logsAtFal(request) {
    const app = request.model.split("/").slice(0, 2).join("/");
    const answer = await ground.ask(`/sandbox/fal/queue/${app}/requests/${request.id}/status?logs=1`, { headers: { Authorization: `Key ${ground.settings.FAL_KEY}` } });
    return answer.json().logs.map((line) => line.message);
}

// The columns that are the same however it ends.
async function comparesWhatWasSent(type, { avatar, training }) {
    const { preset, entrance, model, input } = kinds[type];
    const request = await requestAtFal(ground, avatar.fal_request_id);
    const trigger = `TOK_${avatar.id.slice(0, 8)}`;
    assert.equal(request.model, model);
    assert.deepEqual(request.input, input(training.archive_url, trigger), "FAL got the fields of its schema with the preset's values, and no other");
    assert.deepEqual(avatar.training_config, request.input);

    assert.equal(avatar.training_type, type);
    assert.equal(avatar.fal_request_id, request.id);
    for (const column of ["learning_rate", "trigger_phrase", "steps", "multiresolution_training", "subject_crop", "create_masks"])
        assert.equal(avatar[column], request.input[column] ?? null, column);
    assert.equal(avatar.trigger_word, request.input.trigger_word ?? null);
    assert.equal(avatar.captioning, null, "neither trainer takes it");
    assert.equal(avatar.finetune_type, "lora");
    assert.equal(avatar.finetune_comment, `${avatar.name}, ${type}, ${preset}`);
    assert.equal(avatar.webhook_url, request.webhook);
    assert.ok(request.webhook.startsWith(`${ground.settings.PUBLIC_URL}/webhook/fal/${entrance}?`), request.webhook);
    assert.ok(Date.parse(avatar.last_status_check) >= request.start_ms, "looked at after it began");

    const said = await logsAtFal(request), kept = avatar.training_logs.trimEnd().split("\n");
    assert.ok(kept.length > 0);
    assert.deepEqual(kept.filter((line) => !said.includes(line)), [], "every line is FAL's");
    return request;
}

const types = Object.keys(kinds);

test("a training that goes well: each column is what FAL was sent or returned", async () => {
    const all = await Promise.all(types.map((type) => trained(type, "completed")));
    for (const [at, type] of types.entries()) {
        const { person, avatar } = all[at];
        const request = await comparesWhatWasSent(type, all[at]);
        assert.equal(request.status, 200);
        assert.equal(avatar.diffusers_lora_file_url, request.output.diffusers_lora_file.url);
        assert.equal(avatar.config_file_url, request.output.config_file.url);
        assert.equal(avatar.training_error, null);
        assert.deepEqual(avatar.fal_response_data, request.callback, "the callback, whole");
        assert.equal(avatar.fal_response_data.status, "OK");
        assert.deepEqual([avatar.status, avatar.training_progress, avatar.is_main], ["completed", 100, true]);
        const { balance, held } = await person.balance();
        assert.deepEqual({ balance, held }, { balance: 10000 - price, held: 0 });
        finished[type] = { person, avatar };
    }
});

test("a training that fails: each column is what FAL was sent or returned", async () => {
    await ground.fault("fal.fail", { status: 500, type: "internal_server_error", at: 0.7 });
    const all = await Promise.all(types.map((type) => trained(type, "failed")));
    for (const [at, type] of types.entries()) {
        const { person, avatar } = all[at];
        const request = await comparesWhatWasSent(type, all[at]);
        assert.equal(request.status, 500);
        assert.deepEqual([avatar.diffusers_lora_file_url, avatar.config_file_url], [null, null]);
        assert.match(avatar.training_error, /This failure was asked for/);
        assert.deepEqual(avatar.fal_response_data, request.callback, "the callback, whole");
        assert.equal(avatar.fal_response_data.status, "ERROR");
        assert.deepEqual([avatar.status, avatar.is_main], ["error", false]);
        const { balance, held } = await person.balance();
        assert.deepEqual({ balance, held }, { balance: 10000, held: 0 });
        await person.see(/coins are back/);
    }
});

const sizes = { "1:1": [1024, 1024], "3:4": [768, 1024], "4:3": [1024, 768], "9:16": [768, 1344], "16:9": [1344, 768] };
const efforts = { fast: [20, 3], balanced: [28, 3.5], high: [35, 4], ultra: [50, 4.5] };
const choices = [["1:1", 1, "fast"], ["3:4", 2, "balanced"], ["4:3", 3, "high"], ["9:16", 4, "ultra"], ["16:9", 1, "balanced"]];

// A choice that stands already is no button that changes anything.
async function ordered(person, words, [ratio, count, quality]) {
    const taps = [["ratio", ratio, "1:1"], ["count", count, 1], ["quality", quality, "balanced"]]
        .filter(([, value, usual]) => value !== usual).map(([what, value]) => `flux:${what}:…:${value}`);
    const order = await orderPicture(person, words, taps);
    return person.ended(order, "completed");
}

test("a picture with an avatar: FAL is asked what was chosen, in the fields of its schema, and nothing else", async () => {
    for (const [at, type] of types.entries()) {
        const { person, avatar } = finished[type];
        const mine = choices.filter((_, place) => place % types.length === at);
        for (const chosen of mine) {
            const [ratio, count, quality] = chosen, words = `in the rain, ${ratio}`;
            const row = await ordered(person, words, chosen);
            const { input, model, webhook, status } = await requestAtFal(ground, row.fal_request_id);
            const [width, height] = sizes[ratio], [steps, guidance] = efforts[quality];
            assert.equal(model, "fal-ai/flux-lora");
            assert.equal(status, 200);
            assert.deepEqual(input, {
                prompt: row.final_prompt, loras: [{ path: avatar.diffusers_lora_file_url, scale: 1.15 }], image_size: { width, height },
                num_images: count, num_inference_steps: steps, guidance_scale: guidance, seed: row.seed, enable_safety_checker: true, output_format: "jpeg",
            });
            const trigger = avatar.trigger_phrase ?? avatar.trigger_word;
            assert.equal(input.prompt.split(trigger).length - 1, 1, `the trigger once: ${input.prompt}`);
            assert.ok(input.prompt.includes(words));
            assert.ok(webhook.startsWith(`${ground.settings.PUBLIC_URL}/webhook/fal/image?`));
            assert.deepEqual([row.original_prompt, row.aspect_ratio, row.num_images, row.quality_preset, row.price], [words, ratio, count, quality, 5 * count]);
        }
    }
});

test("whoever types the trigger into the words has it in the prompt once", async () => {
    const { person, avatar } = finished.portrait;
    const trigger = avatar.trigger_phrase;
    const row = await ordered(person, `${trigger} and ${trigger} at the sea`, ["1:1", 1, "balanced"]);
    const { input } = await requestAtFal(ground, row.fal_request_id);
    assert.equal(input.prompt.split(trigger).length - 1, 1, input.prompt);
    const { data } = await choosesPicture(person, "the price of four", ["flux:count:…:4"]);
    assert.ok(data.endsWith(":20"), `the button that spends says the price: ${data}`);
});

test("money: nothing is set aside any more", async () => {
    await checkLedger(ground);
    const { held } = await ground.row("select coalesce(sum(balance), 0)::int as held from ledger_accounts where kind = 'held'");
    assert.equal(held, 0);
    assert.deepEqual(await ground.callReport(), []);
});
