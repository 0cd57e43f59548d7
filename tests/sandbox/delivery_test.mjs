// delivery_test.mjs - how updates reach a bot: by webhook in the order, with
// the retries and the answers of Telegram, and by getUpdates. The test is the
// bot and keeps the webhook.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { portraits } from "../e2e/lib/photos.mjs";
import { picture } from "../e2e/lib/picture.mjs";
import { startSandbox } from "../e2e/lib/sandbox.mjs";

const asya = 43001, bob = 43002;
const secret = "S3cret_-";
let folder, hook, sandbox, arrived, answerWith;

async function control(name, body) {
    const response = await fetch(`${sandbox.url}/control/${name}`,
        body === undefined ? {} : { method: "POST", body: JSON.stringify(body) });
    return response.json();
}
const say = (user, text) => control("update", { user, kind: "text", text });
const call = (method, parameters) => sandbox.call(method, parameters);

// Asks again and again; nothing here sleeps for a fixed time to be right.
async function until(holds, what) {
    for (let attempt = 0; attempt < 1000; attempt++) {
        const value = await holds();
        if (value) return value;
        await new Promise((done) => setTimeout(done, 20));
    }
    throw new Error(`${what} did not come to be`);
}
const settled = () => until(async () => (await control("pending")).pending === 0, "an empty queue");
const texts = () => arrived.map((one) => one.update.message?.text);

function makeCertificate(folder) {
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
        "-keyout", join(folder, "key.pem"), "-out", join(folder, "cert.pem")], { stdio: "ignore" });
}

async function startHook() {
    const server = createServer({ key: readFileSync(join(folder, "key.pem")), cert: readFileSync(join(folder, "cert.pem")) },
        (request, response) => {
            let body = "";
            request.on("data", (piece) => (body += piece));
            request.on("end", async () => {
                const one = { update: JSON.parse(body), headers: request.headers, at: Date.now(), ended: false };
                arrived.push(one);
                const { status = 200, headers = {}, text = "" } = (await answerWith(one)) ?? {};
                one.ended = true;
                response.writeHead(status, headers).end(text);
            });
        });
    await new Promise((done) => server.listen(0, "127.0.0.1", done));
    return server;
}

const setWebhook = (more) => until(async () => {
    const answer = await call("setWebhook", { url: `https://127.0.0.1:${hook.address().port}/hook`, secret_token: secret, drop_pending_updates: true, ...more });
    return answer.ok && answer;
}, "a webhook"); // set more than once a second it is refused with 429

before(async () => {
    folder = mkdtempSync(join(tmpdir(), "aisha-hook-"));
    arrived = [];
    makeCertificate(folder);
    process.env.CA_FILE = join(folder, "cert.pem");
    hook = await startHook();
    sandbox = await startSandbox();
    for (const id of [asya, bob]) await control("person", { id, first_name: `P${id}` });
    await control("fault", { name: "telegram.retry_scale", value: 0.02 });
});

after(async () => {
    await sandbox?.stop();
    hook?.closeAllConnections();
    hook?.close();
    rmSync(folder, { recursive: true, force: true });
});

beforeEach(async () => {
    arrived = [];
    answerWith = () => ({});
});

test("getUpdates waits, confirms by offset, and gives way to a newer one", async () => {
    const waiting = call("getUpdates", { timeout: 20 });
    await until(async () => (await control("counts")).calls >= 0, "the sandbox");
    const newer = call("getUpdates", { timeout: 20 });
    assert.equal((await waiting).error_code, 409);
    assert.match((await waiting).description, /terminated by other getUpdates request/);
    await say(asya, "one");
    const [first] = (await newer).result;
    assert.equal(first.message.text, "one");
    assert.equal((await call("getUpdates", {})).result[0].update_id, first.update_id); // not confirmed yet
    assert.deepEqual((await call("getUpdates", { offset: first.update_id + 1 })).result, []);
    for (const text of ["a", "b", "c"]) await say(asya, text);
    assert.deepEqual((await call("getUpdates", { offset: -1 })).result.map((u) => u.message.text), ["c"]);
    assert.equal((await control("pending")).pending, 1);
});

test("updates nobody asked for are not made", async () => {
    await call("getUpdates", { allowed_updates: ["callback_query"], offset: 1 << 30 });
    await say(asya, "unasked");
    assert.equal((await control("pending")).pending, 0);
    await call("getUpdates", { allowed_updates: [] });
});

test("the webhook gets each update once, with the secret; getUpdates is refused", async () => {
    const set = await setWebhook();
    assert.equal(set.description, "Webhook was set");
    await say(asya, "hello");
    await settled();
    assert.deepEqual(texts(), ["hello"]);
    assert.equal(arrived[0].headers["x-telegram-bot-api-secret-token"], secret);
    assert.equal(arrived[0].headers["content-type"], "application/json");
    const polled = await call("getUpdates", {});
    assert.equal(polled.error_code, 409);
    assert.match(polled.description, /can't use getUpdates method while webhook is active/);
    const info = (await call("getWebhookInfo")).result;
    assert.equal(info.pending_update_count, 0);
    assert.equal(info.max_connections, 40);
    const again = await call("setWebhook", { url: info.url, secret_token: secret });
    assert.equal(again.description, "Webhook is already set");
});

test("a certificate that was given is the one that is trusted", async () => {
    const set = async (pem) => {
        const form = new FormData();
        for (const [name, value] of Object.entries({ url: `https://127.0.0.1:${hook.address().port}/hook`, secret_token: secret })) form.append(name, value);
        form.append("certificate", new Blob([pem]), "cert.pem");
        return (await fetch(`${sandbox.url}/telegram/bot${sandbox.token}/setWebhook`, { method: "POST", body: form })).json();
    };
    const taken = (pem) => until(async () => (await set(pem)).ok, "a webhook");
    const own = readFileSync(join(folder, "cert.pem"), "utf8");
    mkdirSync(join(folder, "other"));
    makeCertificate(join(folder, "other"));
    assert.match((await set("no certificate")).description, /certificate cannot be read/);
    await taken(readFileSync(join(folder, "other/cert.pem"), "utf8"));
    await say(asya, "unheard");
    await until(async () => (await call("getWebhookInfo")).result.last_error_message, "an error");
    assert.deepEqual(texts(), []);
    await taken(own);
    await until(() => texts().includes("unheard"), "the update");
    assert.equal((await call("getWebhookInfo")).result.has_custom_certificate, true);
    await settled();
    await call("deleteWebhook");
    await setWebhook();
});

test("one chat's messages wait for each other, other chats do not wait", async () => {
    let open;
    const gate = new Promise((done) => (open = done));
    answerWith = async (one) => { if (one.update.message.text === "slow") await gate; };
    await say(asya, "slow");
    await until(() => arrived.length === 1, "the first message");
    await say(asya, "after");
    for (let i = 0; i < 3; i++) await say(bob, `b${i}`);
    await until(() => texts().includes("b2"), "the other chat");
    assert.ok(!texts().includes("after"));
    assert.deepEqual(texts().filter((text) => text.startsWith("b")), ["b0", "b1", "b2"]);
    open();
    await settled();
    assert.equal(texts().at(-1), "after");
});

test("a tap overtakes a message of the same person", async () => {
    const sent = (await call("sendMessage", { chat_id: asya, text: "menu", reply_markup: { inline_keyboard: [[{ text: "Go", callback_data: "go" }]] } })).result;
    let open;
    const gate = new Promise((done) => (open = done));
    answerWith = async (one) => { if (one.update.message) await gate; };
    await say(asya, "slow");
    await until(() => arrived.length === 1, "the message");
    await control("update", { user: asya, kind: "tap", message_id: sent.message_id, data: "go" });
    await until(() => arrived.some((one) => one.update.callback_query), "the tap");
    const { callback_query: query } = arrived.find((one) => one.update.callback_query).update;
    assert.equal(query.data, "go");
    assert.equal(query.message.message_id, sent.message_id);
    open();
    await settled();
});

test("what fails is repeated: at once, then 2, 4, 8 seconds, in order", async () => {
    let failures = 4;
    answerWith = () => (failures-- > 0 ? { status: 503 } : {});
    await say(asya, "again");
    await say(asya, "next");
    await settled();
    assert.deepEqual(texts(), ["again", "again", "again", "again", "again", "next"]);
    const gaps = arrived.slice(1, 5).map((one, i) => one.at - arrived[i].at);
    assert.ok(gaps[1] >= 40 && gaps[2] >= 80 && gaps[3] >= 160, `${gaps}`); // of the scale 0.02
    const info = (await call("getWebhookInfo")).result;
    assert.equal(info.last_error_message, "Wrong response from the webhook: 503");
});

test("Retry-After takes the delay's place", async () => {
    let failures = 1;
    answerWith = () => (failures-- > 0 ? { status: 503, headers: { "Retry-After": "20" } } : {});
    await say(asya, "later");
    await settled();
    assert.equal(arrived.length, 2);
    assert.ok(arrived[1].at - arrived[0].at >= 400);
});

test("a method in the answer is obeyed, by the same rules, and nobody hears of it", async () => {
    const json = { "Content-Type": "application/json" };
    answerWith = () => ({ headers: json, text: JSON.stringify({ method: "sendMessage", chat_id: asya, text: "from the answer" }) });
    await say(asya, "hi");
    await settled();
    answerWith = () => ({ headers: json, text: JSON.stringify({ method: "sendMessage", chat_id: asya }) });
    await say(asya, "hi");
    await settled();
    answerWith = () => ({ headers: json, text: JSON.stringify({ method: "getMe" }) });
    await say(asya, "hi");
    await settled();
    const seen = (await control(`messages?user=${asya}`)).messages.map((message) => message.text);
    assert.equal(seen.filter((text) => text === "from the answer").length, 1);
    const calls = (await control("calls?limit=3")).calls.filter((one) => one.via === "webhook");
    assert.deepEqual(calls.map((one) => [one.method, one.status]), [["(answer) getMe", 404], ["sendMessage", 400], ["sendMessage", 200]]);
});

test("blocking and unblocking are told", async () => {
    await control("update", { user: bob, kind: "block" });
    await settled();
    assert.equal(arrived[0].update.my_chat_member.new_chat_member.status, "kicked");
    assert.equal((await call("sendMessage", { chat_id: bob, text: "x" })).error_code, 403);
    await control("update", { user: bob, kind: "unblock" });
    await settled();
    assert.equal(arrived[1].update.my_chat_member.new_chat_member.status, "member");
    assert.equal((await call("sendMessage", { chat_id: bob, text: "x" })).ok, true);
});

test("a black hole lets go when it is taken back, and may have done the work", async () => {
    await control("fault", { name: "telegram.blackhole", value: { seconds: 60, executes: true } });
    const path = `${sandbox.url}/telegram/bot${sandbox.token}/sendMessage`;
    const lost = fetch(`${path}?chat_id=${asya}&text=from+the+hole`);
    await until(async () => (await control(`messages?user=${asya}`)).messages.some((message) => message.text === "from the hole"), "the work");
    await control("fault", { name: "telegram.blackhole", value: null });
    assert.equal((await lost).status, 504);
    await control("fault", { name: "telegram.blackhole", value: { seconds: 1, times: 1 } });
    assert.equal((await fetch(`${path}?chat_id=${asya}&text=never`)).status, 504);
    const seen = (await control(`messages?user=${asya}`)).messages.map((message) => message.text);
    assert.ok(!seen.includes("never"));
    assert.equal((await call("getMe")).ok, true);
});

test("an update may be made to come twice", async () => {
    await control("fault", { name: "telegram.twice", value: true });
    await say(asya, "double");
    await settled();
    await control("fault", { name: "telegram.twice", value: null });
    assert.equal(arrived.length, 2);
    assert.equal(arrived[0].update.update_id, arrived[1].update.update_id);
});

test("photos and files of a person arrive with their ids", async () => {
    await control("update", { user: asya, kind: "photo", bytes: picture(700, 600, [9, 9, 9]).toString("base64"), caption: "me", media_group_id: "7" });
    await control("update", { user: asya, kind: "voice", bytes: Buffer.from("OggS").toString("base64"), mime_type: "audio/ogg", duration: 3 });
    await settled();
    const [photo, voice] = arrived.map((one) => one.update.message);
    assert.equal(photo.media_group_id, "7");
    assert.deepEqual([photo.photo.at(-1).width, photo.photo.at(-1).height], [700, 600]);
    assert.equal(voice.voice.duration, 3);
    assert.equal((await call("getFile", { file_id: voice.voice.file_id })).result.file_size, 4);
});

test("an album arrives photo by photo in its order, and a tap overtakes it", async () => {
    const { result: asked } = await call("sendMessage", { chat_id: asya, text: "photos?", reply_markup: { inline_keyboard: [[{ text: "Done", callback_data: "done" }]] } });
    let letGo;
    const held = new Promise((done) => (letGo = done));
    answerWith = async (one) => {
        if (one === arrived[0]) await held;
    };
    const files = portraits(4, { width: 120, height: 160 }).map(({ bytes }) => ({ kind: "photo", bytes: bytes.toString("base64") }));
    const { message_ids: ids } = await control("update", { user: asya, kind: "files", files, caption: "four" });
    await until(() => arrived.length === 1, "the first photo");
    await control("update", { user: asya, kind: "tap", message_id: asked.message_id, data: "done" });
    await until(() => arrived.length === 2, "the tap");
    assert.equal(arrived[1].update.callback_query.data, "done");
    letGo();
    await settled();
    const photos = arrived.filter((one) => one.update.message).map((one) => one.update.message);
    assert.deepEqual(photos.map((message) => message.message_id), ids);
    assert.deepEqual(photos.map((message) => message.caption), ["four", undefined, undefined, undefined]);
    assert.equal(new Set(photos.map((message) => message.media_group_id)).size, 1);
    assert.ok(photos[0].media_group_id);
});

test("no more than max_connections are open at a time", async () => {
    await setWebhook({ max_connections: 2 });
    let running = 0, most = 0;
    answerWith = async () => {
        most = Math.max(most, ++running);
        await new Promise((done) => setTimeout(done, 30));
        running--;
    };
    const people = Array.from({ length: 12 }, (_, i) => 44000 + i);
    for (const id of people) await control("person", { id, first_name: `P${id}` });
    await control("update", people.map((user) => ({ user, kind: "text", text: "all" })));
    await settled();
    assert.equal(arrived.length, 12);
    assert.ok(most <= 2, `${most} at a time`);
});

test("five hundred updates a second and their answers go through", async () => {
    await setWebhook({ max_connections: 40 });
    answerWith = (one) => ({ headers: { "Content-Type": "application/json" }, text: JSON.stringify({ method: "sendMessage", chat_id: one.update.message.chat.id, text: `got ${one.update.message.text}` }) });
    const people = Array.from({ length: 50 }, (_, i) => 45000 + i);
    for (const id of people) await control("person", { id, first_name: `P${id}` });
    const acts = Array.from({ length: 1000 }, (_, i) => ({ user: people[i % people.length], kind: "text", text: `token-${i}` }));
    const began = Date.now();
    await control("update", acts);
    await settled();
    console.log(`# 1000 updates with a call each in ${Date.now() - began} ms`);
    assert.equal(arrived.length, 1000);
    const { messages } = await control("messages?limit=20000");
    const effects = messages.filter((message) => message.is_from_bot && message.text.startsWith("got token-"));
    assert.equal(new Set(effects.map((message) => message.text)).size, 1000);
    assert.equal(effects.length, 1000);
});
