// fal_callback_test.mjs - an order from the tap to the picture or the refund,
// with FAL behaving in every way it can: calling back early, late, three times,
// never, wrongly signed, with a new key; refusing; losing its answers; being
// cancelled. Each order ends in a picture that is paid once, or in words and
// all coins back.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, beforeEach, test } from "node:test";
import { Signer, callbackPath, okBody } from "./lib/fal.mjs";
import { OwnGround } from "./lib/ground.mjs";
import { Person, checkLedger } from "./lib/person.mjs";
import { until } from "./lib/until.mjs";

const people = [];
let ground, signer, price, welcome;

async function reset() {
    await ground.noFaults();
    await ground.fault("fal.pixels", 64);
    await ground.fault("fal.seconds", 0);
    await ground.fault("fal.retry_scale", 0.1);
}

// Chats are not paced here: dozens of orders would mostly wait for the next second.
before(async () => {
    ground = await OwnGround.start("fal_callback", { settings: { SEND_CHAT_MESSAGES_PER_SECOND: 100 } });
    signer = new Signer(ground);
    const asker = await meet();
    welcome = (await asker.balance()).balance;
    price = Number(ground.settings.IMAGEN4_GENERATION_COST ?? 5);
    assert.ok(welcome > price);
});

beforeEach(reset);

after(() => ground?.end());

async function meet() {
    const person = await (await Person.meet(ground)).start();
    people.push(person);
    return person;
}

async function ordering(words, choices) {
    const person = await meet();
    return { person, words, order: await person.order(words, choices) };
}

// One picture in the chat and in the gallery, one price off the balance, nothing held.
async function isDelivered({ person, words, order }, { paid = price, pictures = 1 } = {}) {
    const end = await person.ended(order, "completed");
    if (pictures === 1) await person.picture(words);
    else await person.see((message) => message.kind === "text" && message.text.includes(words) && /1:1/.test(message.text));
    assert.equal((await person.photos()).length, pictures);
    assert.deepEqual(await person.balance(), { balance: welcome - paid, held: 0 });
    const { images, captured } = await ground.row(
        `select (select count(*)::int from images where generation_id = :'id') as images,
                (select count(*)::int from ledger_transfers where subject = :'id' and kind = 'capture') as captured`, { id: order.id });
    assert.deepEqual({ images, captured }, { images: pictures, captured: paid ? 1 : 0 });
    return end;
}

// Words that say why, in the place of the progress; every coin is back.
async function isExplained({ person, order }, status, failure, text) {
    const end = await person.ended(order, status);
    assert.equal(end.failure, failure);
    const message = await person.see(text);
    assert.match(message.text, /coins are back/);
    assert.deepEqual(await person.balance(), { balance: welcome, held: 0 });
    assert.equal(await person.shownBalance(), welcome);
    assert.equal((await person.photos()).length, 0);
}

const submitted = (order) => until(() => ground.row("select * from image_generations where id = :'id' and fal_request_id is not null", { id: order.id }), "an order that FAL has");
const jobKinds = async (order) => (await ground.sql("select distinct kind from jobs where subject = :'id'", { id: order.id })).map((row) => row.kind);
// Time passes for this order and what is queued for it.
const later = (order, span) => ground.sql(
    `update image_generations set created_at = created_at - interval '${span}', submitting_at = submitting_at - interval '${span}',
            submitted_at = submitted_at - interval '${span}', last_status_check = last_status_check - interval '${span}' where id = '${order.id}';
     update jobs set run_at = run_at - interval '${span}' where subject = '${order.id}' and state = 'queued'`);

test("a callback brings the picture, at its price, and the progress goes", async () => {
    const one = await ordering("a lighthouse in the snow", ["imagen:ratio…:16:9"]);
    const end = await isDelivered(one);
    assert.equal(end.attempt, 1);
    assert.ok(!(await jobKinds(one.order)).includes("generation_result"), "nobody had to ask");
    await until(async () => !(await one.person.messages()).some((message) => /Drawing|On it|In the queue/.test(message.text)), "the progress being gone");
    const photo = (await one.person.photos())[0];
    assert.match(photo.text, /16:9/);
    assert.match(photo.text, new RegExp(`${price} coins`));
    assert.equal(await one.person.shownBalance(), welcome - price);
});

test("four pictures at once are an album, each paid once", async () => {
    const one = await ordering("four foxes", ["imagen:count…:4"]);
    await isDelivered(one, { paid: 4 * price, pictures: 4 });
    const photos = await one.person.photos();
    assert.equal(new Set(photos.map((photo) => photo.media_group_id)).size, 1);
    assert.equal(new Set(photos.map((photo) => JSON.stringify(photo.media))).size, 4);
});

test("a callback three times over is one picture", async () => {
    await ground.fault("fal.callback", "three");
    await isDelivered(await ordering("three times a cat"));
});

test("a callback that overtakes the answer to the submission finds its order", async () => {
    await ground.fault("fal.callback", "early");
    await isDelivered(await ordering("an early bird"));
});

test("without any callback the checks find the picture", async () => {
    await ground.fault("fal.callback", "never");
    const one = await ordering("a quiet owl");
    await isDelivered(one);
    assert.ok((await jobKinds(one.order)).includes("generation_result"));
});

test("a callback that comes after the checks changes nothing", async () => {
    await ground.fault("fal.callback", "never");
    const one = await ordering("a slow letter");
    const end = await isDelivered(one);
    const { fal_response_data: raw } = await ground.row("select fal_response_data from image_generations where id = :'id'", { id: end.id });
    const url = (raw.payload ?? raw).images[0].url;
    for (let copy = 0; copy < 3; copy++)
        assert.equal((await signer.call(callbackPath(ground, end.id), okBody(url))).status, 200);
    await isDelivered(one);
});

test("what takes too long is given back; what comes later still is a present", async () => {
    const first = await ordering("a picture to borrow");
    await isDelivered(first);
    const borrowed = (await ground.row("select fal_response_data as data from image_generations where id = :'id'", { id: first.order.id })).data;
    await ground.fault("fal.seconds", 600);
    const one = await ordering("a patient snail");
    await submitted(one.order);
    await later(one.order, "11 minutes");
    await isExplained(one, "failed", "timeout", /took too long/);

    const url = (borrowed.payload ?? borrowed).images[0].url;
    const answers = await Promise.all([1, 2, 3].map(() => signer.call(callbackPath(ground, one.order.id), okBody(url))));
    assert.deepEqual(answers.map((answer) => answer.status), [200, 200, 200]);
    await isDelivered(one, { paid: 0 });
});

test("a wrong signature is refused against keys fetched after it, and the order goes on", async () => {
    await ground.fault("fal.seconds", 600);
    const one = await ordering("a sealed letter");
    await submitted(one.order);
    const forger = new Signer(ground);
    const forged = forger.signed(okBody("https://127.0.0.1/x.png"));
    const path = callbackPath(ground, one.order.id);
    await ground.sql("update jwks set requested_at = null");
    const first = await ground.ask(path, forged);
    assert.equal(first.status, 503);
    assert.equal(first.headers["retry-after"], "1");
    await until(async () => (await ground.ask(path, forged)).status === 401, "a refusal for good");
    const { status, fal_response_data: data } = await ground.row("select status, fal_response_data from image_generations where id = :'id'", { id: one.order.id });
    assert.deepEqual([status, data], ["processing", null]);
    for (const name of ["Request-Id", "User-Id", "Timestamp", "Signature"]) {
        const lacking = signer.signed(okBody("https://127.0.0.1/x.png"));
        delete lacking.headers[`X-Fal-Webhook-${name}`];
        assert.notEqual((await ground.ask(path, lacking)).status, 200, name);
    }
    await one.person.tap("generation:cancel");
    await isExplained(one, "cancelled", "cancelled", /Cancelled/);
});

test("an order whose callbacks are all badly signed is found by the checks", async () => {
    await ground.fault("fal.callback", "badsign");
    await isDelivered(await ordering("a crooked seal"));
});

test("a new key of FAL's is fetched, and the callback that it signed is taken", async () => {
    await ground.sql("update jwks set requested_at = null");
    await ground.fault("fal.status", 503); // only the callback can bring it
    await ground.fault("fal.rotate", { value: true, times: 1 });
    const one = await ordering("a new locksmith");
    await isDelivered(one);
    assert.ok(!(await jobKinds(one.order)).includes("generation_result"));
});

test("a callback for an order that we do not know is answered and counted", async () => {
    const counted = async () => (await ground.row("select coalesce(sum(value), 0)::int as n from counters where name = 'fal_callback_unknown'")).n;
    const before = await counted();
    assert.equal((await signer.call(callbackPath(ground, randomUUID()), okBody("https://127.0.0.1/x.png"))).status, 200);
    assert.equal(await counted(), before + 1);
});

test("an address that we did not make is refused, whoever signed", async () => {
    const id = randomUUID(), other = randomUUID();
    const path = callbackPath(ground, id), body = okBody("https://127.0.0.1/x.png");
    for (const forged of [path.replace(id, other), path.replace("n=1", "n=2"), path.replace(/s=.*/, "s="), path.replace(/&s=.*/, ""),
        path.replace(/s=..../, "s=0000"), path.replace(id, "x"), path.replace("n=1", "n=one"), "/webhook/fal/image"])
        assert.equal((await signer.call(forged, body)).status, 401, forged);
    assert.equal((await signer.call(path, body)).status, 200);
});

test("a signature is good for five minutes, before and after", async () => {
    const now = Date.now() / 1000, path = callbackPath(ground, randomUUID()), body = okBody("https://127.0.0.1/x.png");
    for (const [seconds, status] of [[-290, 200], [290, 200], [-320, 401], [320, 401], [-1e6, 401]])
        assert.equal((await signer.call(path, body, { at: now + seconds })).status, status, String(seconds));
});

test("a callback that is signed and makes no sense is refused and changes nothing", async () => {
    const path = callbackPath(ground, randomUUID());
    for (const body of ["{ no JSON", "[]", '{"status":"MAYBE"}'])
        assert.equal((await signer.call(path, body)).status, 400, body);
});

test("characters that PostgreSQL does not take do not keep a callback away", async () => {
    await ground.fault("fal.seconds", 600);
    const one = await ordering("a picture with odd words");
    await submitted(one.order);
    const body = JSON.stringify(okBody("https://127.0.0.1/x.png", { has_nsfw_concepts: [true] })).replace('"seed"', '"description":"a\\u0000b \\ud83d","seed"');
    assert.equal((await signer.call(callbackPath(ground, one.order.id), body)).status, 200);
    const { description } = await ground.row("select fal_response_data #>> '{payload,description}' as description from image_generations where id = :'id'", { id: one.order.id });
    assert.equal(description, "a\ufffdb \ufffd");
});

const refusals = [
    ["[unsafe] something", null, "safety", /safety filter did not let/],
    ["[unsafe text] something", null, "safety", /safety filter did not let/],
    ["[nothing made] at all", null, null, /coins are back/],
    ["[broken] vase", null, "upstream", /artist's service has a problem/],
    ["[disconnected] phone", null, "upstream", /artist's service has a problem/],
    ["a plain 422", 422, "input", /could not make sense/],
    ["an error callback", { status: 500, type: "generation_timeout" }, "upstream", /artist's service has a problem/],
];

for (const [words, fail, failure, text] of refusals)
    test(`refused by FAL: ${words}`, async () => {
        if (fail) await ground.fault("fal.fail", fail);
        const one = await ordering(words);
        const end = await one.person.ended(one.order, "failed");
        await isExplained(one, "failed", failure ?? end.failure, text);
        assert.ok(["safety", "nsfw", "input", "upstream"].includes(end.failure));
    });

test("a picture that may not be shown is not shown, and costs nothing", async () => {
    await ground.fault("fal.seconds", 600);
    const one = await ordering("a hidden picture");
    await submitted(one.order);
    const body = okBody("https://127.0.0.1/never-fetched.png", { has_nsfw_concepts: [true] });
    assert.equal((await signer.call(callbackPath(ground, one.order.id), body)).status, 200);
    await isExplained(one, "failed", "nsfw", /does not allow showing/);
});

for (const status of [429, 503])
    test(`FAL that answers ${status} is waited for`, async () => {
        await ground.fault("fal.submit", { value: status, times: 2 });
        const one = await ordering(`patience with ${status}`);
        await isDelivered(one);
        const { failures } = await ground.row("select max(failures)::int as failures from jobs where subject = :'id'", { id: one.order.id });
        assert.equal(failures, 0, "waiting is not failing");
    });

test("files and the store that are away for a moment are waited for", async () => {
    await ground.fault("fal.file", { value: 503, times: 1 });
    await ground.fault("store.answer", { value: 503, times: 1 });
    await isDelivered(await ordering("a wet painting"));
});

test("a submission whose answer was lost is one picture at one price", async () => {
    await ground.fault("fal.submit", { value: "lost", times: 1 });
    const one = await ordering("a lost receipt");
    const end = await isDelivered(one);
    assert.equal(end.attempt, 1, "the callback came; nothing was submitted again");
});

test("a submission that nothing is heard of is repeated after two minutes, and paid once", async () => {
    await ground.fault("fal.submit", { value: "lost", times: 1 });
    await ground.fault("fal.callback", { value: "never", times: 1 });
    const one = await ordering("lost without a trace");
    await until(() => ground.row("select id from jobs where subject = :'id' and kind = 'generation_submit' and state = 'queued' and run_at > now() + interval '30 seconds'", { id: one.order.id }), "the wait for a callback");
    await later(one.order, "3 minutes");
    const end = await isDelivered(one);
    assert.equal(end.attempt, 2);
});

test("when FAL has an order twice, the first result wins and the other request is called off", async () => {
    const lender = await ordering("a picture to lend");
    await isDelivered(lender);
    const lent = (await ground.row("select fal_response_data as data from image_generations where id = :'id'", { id: lender.order.id })).data;
    await ground.fault("fal.submit", { value: "lost", times: 1 });
    await ground.fault("fal.callback", { value: "never", times: 1 });
    await ground.fault("fal.seconds", 600);
    const one = await ordering("two painters");
    await until(() => ground.row("select id from jobs where subject = :'id' and kind = 'generation_submit' and state = 'queued' and run_at > now() + interval '30 seconds'", { id: one.order.id }), "the wait for a callback");
    await later(one.order, "3 minutes");
    const { fal_status_url: second } = await submitted(one.order);

    const failure = { request_id: randomUUID(), gateway_request_id: randomUUID(), status: "ERROR", error: "Invalid status code: 500", payload: { detail: "no" } };
    assert.equal((await signer.call(callbackPath(ground, one.order.id), failure)).status, 200);
    assert.equal((await ground.row("select status from image_generations where id = :'id'", { id: one.order.id })).status, "processing");
    assert.equal((await signer.call(callbackPath(ground, one.order.id), okBody((lent.payload ?? lent).images[0].url))).status, 200);
    await isDelivered(one);
    const asked = () => ground.ask(new URL(second).pathname, { headers: { Authorization: `Key ${ground.settings.FAL_KEY}` } });
    await until(async () => !/IN_PROGRESS|IN_QUEUE/.test((await asked()).text), "the end of the other request");
});

test("cancelled before FAL has it: the coins are back and FAL is never asked", async () => {
    const words = "never begun", person = await meet();
    const make = await person.chooses(words);
    const order = await ground.withoutWorkers(async () => {
        await person.act("tap", make);
        const ordered = await until(() => person.orderOf(words), "the order");
        await person.act("tap", { message_id: make.message_id, data: `generation:cancel:${ordered.id}`, forged: true });
        const end = await until(() => ground.row("select * from image_generations where id = :'id' and status = 'cancelled'", { id: ordered.id }), "the end of the order");
        assert.equal(end.attempt, 0);
        assert.deepEqual(await person.balance(), { balance: welcome, held: 0 });
        return end;
    });
    await isExplained({ person, order }, "cancelled", "cancelled", /Cancelled/);
    assert.equal((await ground.row("select attempt from image_generations where id = :'id'", { id: order.id })).attempt, 0);
});

test("cancelled while it waits in FAL's queue, and while it is drawn", async () => {
    await ground.fault("fal.seconds", 600);
    await ground.fault("fal.running", 1);
    const drawn = await ordering("being drawn");
    await submitted(drawn.order);
    const queued = await ordering("waiting in line");
    await submitted(queued.order);
    await queued.person.tap("generation:cancel");
    await isExplained(queued, "cancelled", "cancelled", /Cancelled/);
    await drawn.person.see(/Drawing|In the queue/);
    await drawn.person.tap("generation:cancel");
    await isExplained(drawn, "cancelled", "cancelled", /Cancelled/);
});

test("cancelled too late: the picture comes and is paid", async () => {
    await ground.fault("fal.callback", "never");
    const one = await ordering("already dry");
    await submitted(one.order);
    await ground.withoutWorkers(async () => {
        const anyMessage = (await one.person.messages()).at(-1).message_id;
        await one.person.act("tap", { message_id: anyMessage, data: `generation:cancel:${one.order.id}`, forged: true });
        await ground.settled();
    });
    await isDelivered(one);
});

test("a second tap on the button that makes is no second order", async () => {
    const words = "twins that are one", person = await meet();
    const make = await person.chooses(words);
    await ground.withoutWorkers(async () => {
        for (let copy = 0; copy < 4; copy++) await person.act("tap", { ...make, forged: true });
        await ground.settled();
    });
    await isDelivered({ person, order: await person.orderOf(words), words });
    assert.equal((await ground.row("select count(*)::int as n from image_generations where user_id = :id", { id: person.rowId })).n, 1);
});

test("in the end the ledger is in order, every tap was answered, and no call was refused", async () => {
    await checkLedger(ground);
    for (const person of people) await person.checkTaps();
    assert.deepEqual(await ground.callReport(), []);
});
