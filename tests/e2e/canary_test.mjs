// canary_test.mjs - a whole life on a ground of its own: pictures, an avatar, a recording, a payment, an admin. Then: no
// secret and no word of a user stands where it does not belong; the dashboard and the alerts ask for what there is;
// and the story of an update can be told.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { operator } from "./lib/aisha.mjs";
import { trainedAvatar } from "./lib/avatar.mjs";
import { OwnGround, root } from "./lib/ground.mjs";
import { Person } from "./lib/person.mjs";
import { newest, send } from "./lib/speech.mjs";
import { until } from "./lib/until.mjs";
import { encode, speak } from "./lib/voice.mjs";

const canaries = { prompt: "canaryprompt lighthouse in the fog", name: "Canaryname", spoken: "канарейка", payment: "canarypayment" };
const secretNames = ["TELEGRAM_TOKEN", "TELEGRAM_WEBHOOK_SECRET", "FAL_KEY", "FAL_ADMIN_KEY", "OPENAI_API_KEY", "MINIO_SECRET_KEY", "JWT_SECRET", "CALLBACK_SECRET"];
let ground, person, order, secrets;

before(async () => {
    ground = await OwnGround.start("canary", { settings: { SEND_CHAT_MESSAGES_PER_SECOND: 100, FLOOD_LIMIT_PER_MINUTE: 1000, LOG_LEVEL: "debug" } });
    secrets = Object.fromEntries(secretNames.map((name) => [name, ground.settings[name]]).filter(([, value]) => value?.length >= 12)
        .flatMap(([name, value]) => value.split(",").map((one, i) => [`${name} ${i}`, one])));
    assert.ok(Object.keys(secrets).length >= 5, `secrets to look for: ${Object.keys(secrets)}`);
    await ground.fault("fal.pixels", 64);
    await ground.fault("fal.seconds", 0);
    await ground.fault("fal.retry_scale", 0.02);
    await ground.fault("fal.training_seconds", 1);
    person = await (await Person.meet(ground)).start();
    await ground.sql(`do $$ begin perform ledger_credit(${person.rowId}, '${canaries.payment}', 2000, 'adjustment', 'operator'); end $$`);
    order = await person.order(canaries.prompt);
    await person.ended(order, "completed");
    await trainedAvatar(person, { name: canaries.name });
    await send(person, encode(await speak([{ words: canaries.spoken }], { language: "ru", voice: false }), "ogg"), "voice", { duration: 5 });
    await until(async () => (await newest(person))?.status === "completed", "a transcript", 120);
    await ground.fault("fal.fail", { status: 422, type: "invalid_input" }); // failures are logged with what the other side said
    const failed = await person.order(`${canaries.prompt} again`);
    await person.ended(failed, "failed");
    await ground.noFaults();
    await person.say("/admin");
    await ground.settled();
});

after(() => ground?.end());

function* files(folder) {
    for (const name of readdirSync(folder)) {
        const path = join(folder, name);
        if (statSync(path).isDirectory()) yield* files(path);
        else yield path;
    }
}

const holders = (text, values) => Object.entries(values).filter(([, value]) => text.includes(value)).map(([name]) => name);

test("no log holds a secret, a prompt, a name, what was said, or the address of a photo", () => {
    for (const path of files(join(ground.folder, "log"))) {
        const name = path.split("/").pop();
        if (/^(sandbox|postgres)/.test(name)) continue; // the other side, and the server that is handed the rows
        // Telegram's addresses have the token in them, and the sandbox plays Telegram behind the same nginx.
        const text = readFileSync(path, "utf8").split("\n").filter((line) => !line.includes(' path="/sandbox/')).join("\n");
        assert.deepEqual(holders(text, { ...secrets, ...canaries }), [], name);
        assert.doesNotMatch(text, /\/file\/bot|photos\/file_|X-Amz-Signature|[?&](token|s)=[0-9a-f]{16}/, name);
    }
});

test("PostgreSQL's own log holds no secret and no prompt", () => {
    assert.deepEqual(holders(ground.log("postgres"), { ...secrets, ...canaries }), []);
});

test("no process carries a secret in its arguments", () => {
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
        let line;
        try {
            line = readFileSync(`/proc/${pid}/cmdline`, "utf8");
        } catch {
            continue; // it has ended meanwhile
        }
        assert.deepEqual(holders(line, secrets), [], line.replaceAll("\0", " ").slice(0, 80));
    }
});

test("whoever decodes the files of strangers has no secret in the environment", async () => {
    const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).filter((pid) => {
        try {
            return readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith(join(ground.folder, "current/bin/aisha-")) && /^aisha-(photo|sound)$/m.test(readFileSync(`/proc/${pid}/comm`, "utf8"));
        } catch {
            return false;
        }
    });
    assert.ok(pids.length >= 2, "some of both wait for a file");
    for (const pid of pids) assert.deepEqual(holders(readFileSync(`/proc/${pid}/environ`, "utf8"), secrets), [], `decoder ${pid}`);
});

test("no row of the database and no key of Redis holds a secret", async () => {
    const dump = execFileSync("pg_dump", ["-h", ground.settings.PGHOST, "-U", "postgres", "--inserts", "aisha"], { encoding: "utf8", maxBuffer: 1 << 28 });
    assert.deepEqual(holders(dump, secrets), []);
    assert.ok(dump.includes(canaries.prompt), "the dump is of the database that was used");
    const socket = ground.settings.REDIS_URL.replace(/^unix:\/\//, "").replace(/\?.*/, "");
    const keys = (await ground.redis("--scan")).trim().split("\n");
    for (const key of keys) {
        const { stdout } = spawnSync("redis-cli", ["-s", socket, "--no-raw", "dump", key], { encoding: "latin1" });
        assert.deepEqual(holders(stdout, secrets), [], key);
    }
});

test("no object of the store holds a secret", async () => {
    for (const path of files(join(ground.folder, "sandbox"))) {
        if (/\.(db|sqlite)(-wal|-shm)?$/.test(path)) continue; // the sandbox's own book of what it was called with
        assert.deepEqual(holders(readFileSync(path, "latin1"), secrets), [], path);
    }
});

// ---------------------------------------------------------------- what Prometheus is asked

const names = (text) => [...new Set(text.match(/\baisha_[a-z_]+/g))];

test("the dashboard and the alerts name metrics that there are, and that have values", async () => {
    const folder = join(root, "docs/monitoring");
    const rules = join(folder, "alerts.yml"), { status, stdout, stderr } = spawnSync("promtool", ["check", "rules", rules], { encoding: "utf8" });
    assert.equal(status, 0, `${stdout}${stderr}`);

    const dashboard = JSON.parse(readFileSync(join(folder, "grafana.json"), "utf8"));
    const queries = dashboard.panels.flatMap((panel) => (panel.targets ?? []).map(({ expr }) => expr));
    const alerts = [...readFileSync(rules, "utf8").matchAll(/^ {8}expr: (?:>-\n)?([\s\S]*?)(?=\n {8}\w+:)/gm)].map(([, expr]) => expr);
    assert.ok(queries.length >= 40 && alerts.length >= 15, `${queries.length} queries, ${alerts.length} alerts`);
    const wanted = new Set([...queries, ...alerts].flatMap(names));
    await ground.sql("insert into counters (name, value) values ('planted', 1); insert into jobs (lane, kind, state, finished_at) values ('media', 'planted', 'dead', now());");
    await until(async () => {
        const { text } = await ground.ask("/metrics");
        const known = new Set(text.split("\n").filter((line) => line && !line.startsWith("#")).map((line) => /^\w+/.exec(line)[0]));
        return [...wanted].every((name) => known.has(name)) || (console.log(`# missing: ${[...wanted].filter((name) => !known.has(name))}`), false);
    }, "values of all metrics that are asked for", 90);
});

// ---------------------------------------------------------------- the story of an update

test("aisha trace tells the story of an order, from the tap to the result", async () => {
    const aisha = operator(ground);
    const { turn_id: update, id: job } = await ground.row(`select turn_id, id from jobs where subject = '${order.id}' order by id limit 1`);
    assert.ok(update, "a job knows the update that it came of");
    assert.deepEqual(await ground.sql(`select kind from jobs where subject = '${order.id}' and turn_id is distinct from ${update}`), [], "so do those that followed from it");
    const story = aisha(["trace", update, "--json"]);
    assert.equal(story.status, 0, story.err);
    const { events, user } = story.json();
    assert.equal(user, person.rowId);
    assert.deepEqual(events.map(({ at_ms: at }) => at), events.map(({ at_ms: at }) => at).sort((a, b) => a - b), "in the order of time");
    const told = events.map(({ from, words }) => `${from}: ${words}`).join("\n");
    for (const wanted of [/^turn: handled and committed: from \w+ to \w+, \d+ calls/m, /^job \d+: generation_submit was queued in the lane fal$/m, /^generation: ordered for 5 coins$/m,
        /^generation: submitted, attempt 1, request /m, /^generation: completed$/m, /^coins: hold of 5 for /m, /^coins: capture of 5/m,
        /^job \d+: generation_deliver is done, 0 failures$/m, /^worker: .*event=job\.done.* job=\d+ .*turn=\d+/m, /^bot: .*event=callback\.taken generation=/m])
        assert.match(told, wanted);
    assert.deepEqual(holders(told, canaries), []);

    const byJob = aisha(["trace", `job:${job}`, "--json"]).json();
    assert.equal(byJob.update, update);
    assert.ok(byJob.events.some(({ words }) => /generation_deliver is done/.test(words)));
    assert.match(aisha(["trace", update]).out, /generation_submit was queued/);
    for (const unknown of ["999999999999", "job:999999999", "x", "-1", "0"]) assert.equal(aisha(["trace", unknown]).status, 1, unknown);
});
