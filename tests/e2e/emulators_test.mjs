// emulators_test.mjs - with addresses of other servers set, those are used and
// nothing is played: any emulator can stand in for an outside party.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { callBot, chatThrough, startForeign } from "./lib/foreign.mjs";
import { OwnGround } from "./lib/ground.mjs";
import { Person, checkLedger } from "./lib/person.mjs";

let foreign, environment, token, ground, port;

function freePort() {
    return new Promise((done) => {
        const server = createServer().listen(0, "127.0.0.1", () => {
            const { port: found } = server.address();
            server.close(() => done(found));
        });
    });
}

before(async () => {
    ({ foreign, environment, token } = await startForeign("emulators"));
    port = await freePort();
    ground = chatThrough(await OwnGround.start("emulators", { environment: { ...environment, HTTPS_PORT: String(port) } }), foreign);
});

after(async () => {
    await ground?.end();
    await foreign?.end();
});

const visited = (address) => readFileSync(join(foreign.folder, "log/access.log"), "utf8").includes(address);

test("nothing is played here, and the port is the one that was asked for", async () => {
    assert.equal(Number(ground.settings.HTTPS_PORT), port);
    assert.equal((await ground.ask("/health")).status, 200);
    assert.equal((await ground.ask("/sandbox/")).status, 404);
    for (const [name, value] of Object.entries(environment))
        if (name !== "CA_FILE") assert.equal(ground.settings[name], value);
});

test("a loopback Telegram brings updates by webhook, with our secret", async () => {
    const { result } = await callBot(foreign, token, "getWebhookInfo");
    assert.equal(result.url, `https://127.0.0.1:${port}/webhook/telegram`);
    assert.equal(result.last_error_message, undefined);
});

test("the whole line goes over the other servers: words, FAL, its file, the store, the chat", async () => {
    await foreign.fault("fal.pixels", 64);
    await foreign.fault("fal.seconds", 0);
    const person = await (await Person.meet(ground)).start();
    const words = "a guest in a strange house";
    const order = await person.order(words);
    await person.ended(order, "completed");
    await person.picture(words);
    for (const address of ["/sandbox/fal/queue/", "/sandbox/fal/rest/.well-known/jwks.json", "/sandbox/fal/files/", `/images/generated/${order.id}/`])
        assert.ok(visited(address), address);
    assert.match(readFileSync(join(ground.folder, "log/access.log"), "utf8"), /\/webhook\/fal\/image/);
    await checkLedger(ground);
    await person.checkTaps();
    assert.deepEqual(await foreign.callReport(), []);
});
