// polling_test.mjs - without an address of our own: updates are fetched, FAL is
// asked for status, and somebody else's webhook is taken away only when the
// operator says so.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { callBot, chatThrough, startForeign } from "./lib/foreign.mjs";
import { OwnGround } from "./lib/ground.mjs";
import { Person, checkLedger } from "./lib/person.mjs";
import { until } from "./lib/until.mjs";

const elsewhere = "https://127.0.0.1:9/somebody-else";
let foreign, environment, token, ground;

before(async () => {
    ({ foreign, environment, token } = await startForeign("polling"));
    await foreign.fault("fal.pixels", 64);
    await foreign.fault("fal.seconds", 0);
    await callBot(foreign, token, "setWebhook", { url: elsewhere });
    ground = chatThrough(await OwnGround.start("polling", { environment: { ...environment, TELEGRAM_TOKEN: token, PUBLIC_URL: "" } }), foreign);
});

after(async () => {
    await ground?.end();
    await foreign?.end();
});

const webhook = async () => (await callBot(foreign, token, "getWebhookInfo")).result.url;
const logged = (event) => until(() => ground.log("worker").includes(`event=${event}`), event);

test("somebody else's webhook is left alone, and the log says what to do", async () => {
    await logged("poll.conflict");
    assert.match(ground.log("worker"), /TAKE_OVER=1 removes the webhook/);
    assert.equal(await webhook(), elsewhere);
});

test("with TAKE_OVER=1 it is taken away and updates are fetched", async () => {
    await ground.halt();
    ground.environment = { ...ground.environment, TAKE_OVER: "1" };
    await ground.resume();
    await logged("poll.webhook_removed");
    await until(async () => (await webhook()) === "", "no webhook");
    await (await Person.meet(ground)).start();
});

test("the whole line works by fetching, and FAL is asked instead of calling back", async () => {
    const person = await (await Person.meet(ground)).start();
    const words = "a message in a bottle";
    const order = await person.order(words, ["imagen:ratio…:3:4"]);
    await person.ended(order, "completed");
    await person.picture(words);
    const access = readFileSync(join(ground.folder, "log/access.log"), "utf8");
    assert.doesNotMatch(access, /\/webhook\/fal/);
    assert.match(readFileSync(join(foreign.folder, "log/access.log"), "utf8"), /fal\/queue\/[^"]*\/status/);
    await person.tap("gallery:open");
    await person.see((message) => message.kind === "photo" && /1/.test(message.text) && message.markup.inline_keyboard.flat().some((button) => button.callback_data.startsWith("gallery:delete")));
    await person.checkTaps();
});

test("messages of one chat keep their order, and none comes twice or not at all", async () => {
    const people = [];
    for (let i = 0; i < 5; i++) people.push(await (await Person.meet(ground)).start());
    await foreign.control("update", people.flatMap((person) => ["/help", "/language", "/balance", "/menu"].map((text) => ({ user: person.id, kind: "text", text }))));
    await foreign.settled();
    for (const person of people) {
        await person.see(/Main menu/);
        const texts = (await person.messages()).map((message) => message.text).slice(-4);
        for (const [i, part] of ["How it works", "Which language", "Balance", "Main menu"].entries()) assert.ok(texts[i].includes(part), texts.join(" | "));
    }
});

test("a worker that dies while it fetches loses nothing", async () => {
    const person = await (await Person.meet(ground)).start();
    for (const name of ["worker-1", "worker-2"]) ground.kill(name);
    await person.say("/help");
    await person.see(/How it works/);
    assert.equal((await person.messages()).filter((message) => /How it works/.test(message.text)).length, 1);
});

test("a process of the bot that is down makes updates wait", async () => {
    const person = await (await Person.meet(ground)).start();
    await ground.without("redis", "SIGKILL", async () => {
        await person.say("/balance");
        await until(() => ground.log("worker").includes("poll.postponed"), "a first try");
    });
    await person.see(/Balance: \d+/);
});

test("in the end the ledger is in order and no call was refused", async () => {
    await checkLedger(ground);
    const isConflict = (call) => call.method === "getUpdates" && call.status === 409; // planned: the foreign webhook
    assert.deepEqual(await foreign.callReport(isConflict), []);
});
