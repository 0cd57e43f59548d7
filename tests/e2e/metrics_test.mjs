// metrics_test.mjs - /metrics as Prometheus reads it: valid, true, and outliving the processes that counted.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, test } from "node:test";
import { findGround } from "./lib/ground.mjs";
import { Person } from "./lib/person.mjs";
import { until } from "./lib/until.mjs";

const ground = findGround();
let person;

async function read() {
    const { status, headers, text } = await ground.ask("/metrics");
    assert.equal(status, 200);
    assert.equal(headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    return text;
}

// Samples as { name, labels, value }.
function samplesOf(text) {
    return text.split("\n").filter((line) => line && !line.startsWith("#")).map((line) => {
        const [, name, labels = "", value] = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? assert.fail(`no sample: ${line}`);
        return { name, labels: Object.fromEntries([...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, word]) => [key, word])), value: Number(value) };
    });
}

// The sum of all samples with these labels.
async function sum(name, labels = {}) {
    return samplesOf(await read()).filter((one) => one.name === name && Object.entries(labels).every(([key, word]) => one.labels[key] === word))
        .reduce((all, one) => all + one.value, 0);
}

const grows = (name, labels, before, by = 1) => until(async () => (await sum(name, labels)) >= before + by, `${name} ${JSON.stringify(labels)} above ${before}`);

before(async () => {
    await ground.noFaults();
    await ground.fault("fal.pixels", 64);
    await ground.fault("fal.seconds", 0);
    await ground.fault("telegram.retry_scale", 0.02);
    person = await (await Person.meet(ground)).start();
});

after(() => ground.noFaults());

test("promtool accepts what is written", async () => {
    const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], { input: await read(), encoding: "utf8" });
    assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: "", stderr: "" });
});

test("each series stands once, and each histogram adds up", async () => {
    const samples = samplesOf(await read());
    const names = samples.map(({ name, labels }) => `${name} ${JSON.stringify(labels)}`);
    assert.equal(new Set(names).size, names.length, "no series twice");
    const counts = samples.filter(({ name }) => name.endsWith("_seconds_count"));
    assert.ok(counts.length > 3, "several histograms");
    for (const { name, labels, value } of counts) {
        const buckets = samples.filter((one) => one.name === name.replace(/_count$/, "_bucket")
            && Object.entries(labels).every(([key, word]) => one.labels[key] === word)).map((one) => one.value);
        assert.deepEqual(buckets, [...buckets].sort((a, b) => a - b), `${name} ${JSON.stringify(labels)} rises`);
        assert.equal(buckets.at(-1), value);
    }
});

test("an update, its answer and what it made others do are counted", async () => {
    const kinds = [["aisha_updates_total", { kind: "message", outcome: "done" }], ["aisha_update_duration_seconds_count", { kind: "message" }],
        ["aisha_calls_total", { party: "telegram", method: "sendMessage", outcome: "ok" }], ["aisha_call_duration_seconds_count", { party: "telegram", method: "sendMessage" }]];
    const before = await Promise.all(kinds.map(([name, labels]) => sum(name, labels)));
    await person.say("/profile");
    for (const [i, [name, labels]] of kinds.entries()) await grows(name, labels, before[i]);
});

test("what is refused, repeated and put off is told apart", async () => {
    const refused = await sum("aisha_updates_total", { outcome: "refused" }), repeated = await sum("aisha_updates_total", { outcome: "repeated" });
    const ignored = await sum("aisha_updates_total", { outcome: "ignored" });
    assert.equal((await ground.update({ update_id: 1 }, { secret: "wrong" })).status, 401);
    const update = { update_id: 1_900_000_000 + Math.floor(Math.random() * 1e8),
        message: { message_id: 1, date: 1, chat: { id: person.id, type: "private", first_name: "P" }, from: { id: person.id, is_bot: false, first_name: "P" }, text: "/profile" } };
    for (let i = 0; i < 2; i++) assert.equal((await ground.update(update)).status, 200);
    assert.equal((await ground.update({ update_id: update.update_id + 1 })).status, 200);
    await grows("aisha_updates_total", { outcome: "refused" }, refused);
    await grows("aisha_updates_total", { kind: "message", outcome: "repeated" }, repeated);
    await grows("aisha_updates_total", { kind: "other", outcome: "ignored" }, ignored);
});

test("a picture counts its steps, its calls, its callback and its time", async () => {
    await ground.sql(`do $$ begin perform ledger_credit(${person.rowId}, 'metrics:${person.rowId}', 500, 'adjustment', 'operator'); end $$`);
    const wanted = [["aisha_generation_duration_seconds_count", { type: "imagen4" }], ["aisha_job_steps_total", { kind: "generation_submit", outcome: "done" }],
        ["aisha_calls_total", { party: "fal", method: "submit", outcome: "ok" }], ["aisha_calls_total", { party: "s3", method: "PUT", outcome: "ok" }],
        ["aisha_spend_today_calls", {}]];
    const before = await Promise.all(wanted.map(([name, labels]) => sum(name, labels)));
    const order = await person.order(`a lighthouse ${person.id}`);
    await person.ended(order, "completed");
    for (const [i, [name, labels]] of wanted.entries()) await grows(name, labels, before[i]);
});

test("a 429 of Telegram is told as one", async () => {
    const before = await sum("aisha_calls_total", { party: "telegram", outcome: "rate_limited" });
    await ground.fault("telegram.429", { methods: ["sendMessage"], times: 1 });
    await person.say("/profile");
    await grows("aisha_calls_total", { party: "telegram", outcome: "rate_limited" }, before);
    await ground.noFaults();
});

test("jobs and coins are those of the database", async () => {
    const state = { lane: "media", kind: "metrics_planted", state: "dead" };
    assert.equal(await sum("aisha_jobs", state), 0);
    await ground.sql("insert into jobs (lane, kind, state, finished_at) select 'media', 'metrics_planted', 'dead', now() from generate_series(1, 3);");
    try {
        assert.equal(await sum("aisha_jobs", state), 3);
        assert.equal(await sum("aisha_processes", { program: "worker" }), 2);
        assert.equal(await sum("aisha_up", {}), 2);
    } finally {
        await ground.sql("delete from jobs where kind = 'metrics_planted';");
    }
    assert.ok(await sum("aisha_outbox_oldest_seconds") < 60, "nothing has waited longer than the test runs");
    await until(async () => (await sum("aisha_coins", { account: "adjustment" })) !== 0, "coins", 90);
    assert.equal(await sum("aisha_coins"), 0, "all accounts together hold nothing");
    assert.equal(await sum("aisha_ledger_problems"), 0);
    assert.ok(Date.now() / 1000 - await sum("aisha_ledger_checked_timestamp_seconds") < 400);
});

test("what a process counted outlives it", async () => {
    const name = "aisha_updates_total", labels = { kind: "message", outcome: "done" };
    const bots = (await ground.redis("zrange", "processes:{metrics}", 0, -1)).trim().split("\n").filter((one) => one.startsWith("bot "));
    assert.equal(await sum("aisha_processes", { program: "bot" }), bots.length);
    const before = await sum(name, labels);
    for (let i = 0; i < 5; i++) await person.say("/profile");
    await ground.settled();
    process.kill(Number(bots[0].split(":").at(-1)), "SIGTERM"); // what it has not yet added it adds now
    await until(async () => !(await ground.redis("zrange", "processes:{metrics}", 0, -1)).includes(bots[0]), "the end of a bot");
    await grows(name, labels, before, 5);
    await until(async () => (await sum("aisha_processes", { program: "bot" })) === bots.length, "another in its place");
});
