// gateway_test.mjs - what comes in over HTTP: who is let in, what can be read,
// what is kept aside, and what is said while a store is away. The test is
// Telegram; nothing else is up beside nginx, the bot and its stores.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { OwnGround } from "./lib/ground.mjs";
import { until } from "./lib/until.mjs";

const secrets = ["first-secret_of-two", "second-secret_of-two"];
let ground, nextUpdate = 7_000_000_000, nextPerson = 5_000_000_000;

before(async () => {
    ground = await OwnGround.start("gateway", {
        settings: { TELEGRAM_WEBHOOK_SECRET: secrets.join(",") }, only: "postgres redis nginx bot", processes: 2,
    });
});

after(() => ground?.end());

function message(text, { user = nextPerson++, ...more } = {}) {
    return {
        update_id: nextUpdate++,
        message: {
            message_id: 17, date: 1_790_000_000, text,
            from: { id: user, is_bot: false, first_name: "Ann", language_code: "en" },
            chat: { id: user, type: "private", first_name: "Ann" }, ...more,
        },
    };
}

const parked = () => ground.sql("select encode(body, 'hex') as body, reason, attempts, update_id from parked_updates order by id");
const people = async (id) => (await ground.row("select count(*)::int as n from users where telegram_id = :id", { id })).n;
const keys = async () => (await ground.redis("dbsize")).trim();

function isOurError(answer, status) {
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.headers["content-type"], /^application\/json/);
    assert.equal(typeof answer.json().error, "string");
}

test("without a right secret nothing is read and nothing is kept", async () => {
    const before = await keys();
    for (const secret of [null, "", "wrong", secrets.join(","), secrets[0].slice(0, -1), `${secrets[0]}x`]) {
        const update = message("/start");
        isOurError(await ground.update(update, { secret }), 401);
        isOurError(await ground.update("{ this is no JSON", { secret }), 401);
        assert.equal(await people(update.message.from.id), 0);
    }
    assert.equal(await keys(), before);
    assert.deepEqual(await parked(), []);
    assert.doesNotMatch(ground.log("bot"), /this is no JSON/);
});

test("during a change of secrets both are right", async () => {
    for (const secret of secrets) {
        const update = message("/start");
        assert.equal((await ground.update(update, { secret })).status, 200);
        assert.equal(await people(update.message.from.id), 1);
    }
});

test("what cannot be read is kept once and does not come back", async () => {
    const bodies = ["{ this is no JSON", "", "[]", "null", "{}", '{"update_id":"seven"}', '{"update_id":1,}',
        '{"update_id":1}{"update_id":2}', `{"update_id":1,"message":${"[".repeat(40)}${"]".repeat(40)}}`,
        `{"update_id":1,"message":${'{"a":'.repeat(5000)}1${"}".repeat(5000)}}`];
    for (const body of bodies) {
        for (let copy = 0; copy < 3; copy++) {
            const answer = await ground.update(body);
            assert.equal(answer.status, 200, `${body.slice(0, 60)}: ${answer.status}`);
            assert.equal(answer.text, "");
        }
    }
    const kept = await parked();
    assert.equal(new Set(kept.map((row) => row.body)).size, kept.length);
    assert.equal(kept.length, bodies.length);
});

test("bytes that are no text are kept too, once each", async () => {
    const before = (await parked()).length;
    const text = JSON.stringify(message("hello"));
    const bodies = [
        Buffer.from(text.replace("hello", "he\u0000llo")),
        Buffer.concat([Buffer.from(text.slice(0, -2)), Buffer.from([0xff, 0xfe, 0xc0, 0x80]), Buffer.from("}}")]),
        Buffer.from(text.replace("hello", "").replace('"text":""', '"text":"\xed\xa0\x80"'), "latin1"),
        Buffer.alloc(300, 0),
        Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
    ];
    for (const body of bodies)
        for (let copy = 0; copy < 2; copy++) {
            const answer = await ground.update(body);
            assert.equal(answer.status, 200, `${body.subarray(0, 40)}: ${answer.status} ${answer.text}`);
        }
    assert.equal((await parked()).length, before + bodies.length);
});

test("text with a NUL in it, escaped as JSON can, harms nobody", async () => {
    const update = message("a\u0000b \ud83d\ude00");
    assert.equal((await ground.update(update)).status, 200);
    const lone = JSON.stringify(message("x")).replace('"x"', '"\\ud800"');
    assert.equal((await ground.update(lone)).status, 200);
    const named = message("/start");
    named.message.from.first_name = "N\u0000ul";
    assert.equal((await ground.update(named)).status, 200);
    assert.equal(await people(named.message.from.id), 1);
});

test("kinds of updates that we do not know are answered", async () => {
    const user = { id: nextPerson++, is_bot: false, first_name: "Ann" };
    const before = (await parked()).length;
    for (const kind of ["edited_message", "channel_post", "inline_query", "poll", "chat_join_request", "message_reaction",
        "business_message", "some_kind_of_next_year"])
        assert.equal((await ground.update({ update_id: nextUpdate++, [kind]: { from: user, id: "1", query: "", offset: "" } })).status, 200, kind);
    assert.equal((await ground.update({ update_id: nextUpdate++ })).status, 200);
    assert.equal((await parked()).length, before);
    assert.equal(await people(user.id), 0);
});

test("ids have 64 bits", async () => {
    const user = 9_007_199_254_740_993n; // 2^53 + 1, which a double cannot hold
    const body = JSON.stringify(message("/start", { user: 11111111111 })).replaceAll("11111111111", String(user))
        .replace(/"update_id":\d+/, '"update_id":9223372036854775806');
    assert.equal((await ground.update(body)).status, 200);
    assert.equal(await people(String(user)), 1);
    assert.equal(await people(String(user - 1n)), 0);
    assert.equal((await ground.row("select count(*)::int as n from turns where update_id = 9223372036854775806")).n, 1);
});

test("an update that comes again gets the same answer and does nothing", async () => {
    const user = nextPerson++;
    const first = message("/start", { user });
    assert.equal((await ground.update(first)).status, 200);
    const menu = message("/menu", { user });
    const answers = [];
    for (let copy = 0; copy < 3; copy++) answers.push((await ground.update(menu)).text);
    assert.equal(new Set(answers).size, 1);
    const { n } = await ground.row("select count(*)::int as n from turns where update_id in (:a, :b)", { a: first.update_id, b: menu.update_id });
    assert.ok(n <= 2);
    const { welcome } = await ground.row("select count(*)::int as welcome from ledger_transfers t join users u on u.id = t.user_id where u.telegram_id = :user", { user });
    assert.equal(welcome, 1);
});

test("a body may come in pieces and without a length", async () => {
    const update = message("/start");
    const text = Buffer.from(JSON.stringify(update));
    const pieces = Array.from({ length: Math.ceil(text.length / 7) }, (_, i) => text.subarray(i * 7, i * 7 + 7));
    assert.equal((await ground.update(pieces)).status, 200);
    assert.equal(await people(update.message.from.id), 1);
});

test("a body may be as large as 1 MiB, and no larger", async () => {
    const most = 1 << 20;
    const update = message("/start");
    const text = JSON.stringify(update);
    assert.equal((await ground.update(text + " ".repeat(most - Buffer.byteLength(text)))).status, 200);
    assert.equal(await people(update.message.from.id), 1);
    const more = message("/start");
    const long = JSON.stringify(more);
    isOurError(await ground.update(long + " ".repeat(most + 1 - Buffer.byteLength(long))), 413);
    assert.equal(await people(more.message.from.id), 0);
});

test("other methods are refused, and say which is right", async () => {
    for (const method of ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"]) {
        const answer = await ground.ask("/webhook/telegram", { method, headers: { "X-Telegram-Bot-Api-Secret-Token": secrets[0] } });
        assert.equal(answer.status, 405, method);
        if (method !== "HEAD") isOurError(answer, 405);
        assert.match(answer.headers.allow ?? "", /POST/);
    }
    isOurError(await ground.ask("/health", { method: "POST", body: "" }), 405);
});

test("many copies at the same moment have one effect", async () => {
    const update = message("/start");
    const answers = await Promise.all(Array.from({ length: 20 }, () => ground.update(update)));
    for (const { status, headers } of answers) {
        assert.ok(status === 200 || status === 503, String(status));
        if (status === 503) assert.equal(headers["retry-after"], "1");
    }
    assert.ok(answers.some((answer) => answer.status === 200));
    assert.equal((await ground.update(update)).status, 200);
    const { n } = await ground.row("select count(*)::int as n from ledger_transfers t join users u on u.id = t.user_id where u.telegram_id = :id", { id: update.message.from.id });
    assert.equal(n, 1);
});

test("health and readiness are told", async () => {
    const health = await ground.ask("/health");
    assert.equal(health.status, 200);
    assert.equal(health.json().status, "ok");
    assert.ok(health.json().release);
    const ready = await ground.ask("/ready");
    assert.equal(ready.status, 200);
    assert.deepEqual(ready.json(), { redis: "ok", postgresql: "ok" });
});

for (const [service, signal, name, other] of [["redis", "SIGKILL", "redis", "postgresql"], ["postgres", "SIGQUIT", "postgresql", "redis"]])
    test(`without ${service} it is alive and not ready; updates wait, uncounted, and then go through`, async () => {
        const update = message("/start");
        await ground.without(service, signal, async () => {
            await until(async () => (await ground.ask("/ready")).status === 503, "not being ready");
            const ready = await ground.ask("/ready");
            assert.deepEqual(ready.json(), { [name]: "away", [other]: "ok" });
            assert.equal((await ground.ask("/health")).status, 200);
            for (let copy = 0; copy < 6; copy++) {
                const answer = await ground.update(update);
                assert.equal(answer.status, 503);
                assert.equal(answer.headers["retry-after"], "1");
            }
            assert.equal((await ground.update("{ cannot be read", {})).status, service === "postgres" ? 503 : 200);
        });
        await until(async () => (await ground.ask("/ready")).status === 200, "being ready again");
        await until(async () => (await ground.update(update)).status === 200, "the update's turn");
        assert.equal(await people(update.message.from.id), 1);
        assert.equal((await ground.row("select count(*)::int as n from parked_updates where update_id = :id", { id: update.update_id })).n, 0);
    });

test("a store that hangs makes updates wait as one that is gone", async () => {
    const pid = ground.pid("redis");
    const update = message("/start");
    process.kill(pid, "SIGSTOP");
    try {
        const ready = await ground.ask("/ready");
        assert.equal(ready.status, 503);
        assert.equal((await ground.ask("/health")).status, 200);
        const answer = await ground.update(update);
        assert.equal(answer.status, 503);
        assert.equal(answer.headers["retry-after"], "1");
    } finally {
        process.kill(pid, "SIGCONT");
    }
    await until(async () => (await ground.update(update)).status === 200, "the update's turn");
});
