// erase_test.mjs - somebody with everything a person can have takes it all along and leaves: an avatar
// with its photos, pictures, coins, a payment, a code, an order under way, an update that was parked.
// The workers are killed meanwhile. Then every table, every key, every object and what lies at FAL is
// searched for them; somebody else, and somebody new from the same chat, have what is theirs.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { readyAvatar, orderTraining, trainingEnded } from "./lib/avatar.mjs";
import { OwnGround } from "./lib/ground.mjs";
import { Person, checkLedger } from "./lib/person.mjs";
import { until } from "./lib/until.mjs";

const canary = "Zwitscherling";
let ground, person, other, avatar, erasure, requests, ownFiles;

before(async () => {
    ground = await OwnGround.start("erase", { settings: { WELCOME_COINS: 500, SEND_CHAT_MESSAGES_PER_SECOND: 100 } });
    await ground.fault("fal.pixels", 64);
    await ground.fault("fal.seconds", 0);
});

after(() => ground?.end());

async function picture(somebody, words) {
    const order = await somebody.order(words);
    await somebody.ended(order, "completed");
    await somebody.picture(words);
}

const killWorkers = () => {
    for (const name of ["worker-1", "worker-2"]) ground.kill(name);
};

test("somebody has everything that a person can have", async () => {
    other = await (await Person.meet(ground)).start();
    await picture(other, "Somebody else's pond");
    person = await Person.meet(ground);
    await ground.control("person", { id: person.id, first_name: `${canary} P`, username: `${canary}_name`, language_code: "en" });
    await person.start();
    await picture(person, `${canary} on a branch`);
    await picture(person, `${canary} by the sea`);
    avatar = await readyAvatar(person, { name: `${canary} me` });
    const training = await orderTraining(person, avatar);
    await trainingEnded(ground, training, "completed");
    await until(() => ground.row("select id from avatars where id = :'id' and preview_key is not null", { id: avatar.id }), "the present", 60);
    await ground.sql("select payment_take(gen_random_uuid(), :id, 'charge-of-somebody', 'payload', 'XTR', 180, 250)", { id: person.rowId });
    await ground.sql(`insert into promo_codes (code, type, balance_amount, max_uses, created_by) values ('ERASETEST', 'balance', 5, 9, 'operator')`);
    await ground.sql(`insert into promo_codes (code, type, balance_amount, max_uses_per_user, created_by) values ('ONCEONLY', 'balance', 5, 1, 'operator')`);
    for (const code of ["erasetest", "onceonly"]) await ground.sql("select verdict from promo_apply(:id, :'code', now())", { id: person.rowId, code });
    const parked = await ground.update(`{"update_id":1,"message":{"from":{"id":${person.id},"first_name":"${canary}"},"text":"${canary}"`);
    assert.equal(parked.status, 200);
    assert.ok(await ground.row(`select id from parked_updates where encode(body, 'escape') like '%${canary}%'`));
});

// The entries of stored archives: name and bytes.
function entriesOf(bytes) {
    const entries = new Map();
    for (let at = 0; bytes.readUInt32LE(at) === 0x04034b50;) {
        const size = bytes.readUInt32LE(at + 18), name = bytes.readUInt16LE(at + 26), extra = bytes.readUInt16LE(at + 28);
        const begin = at + 30 + name + extra;
        entries.set(bytes.toString("utf8", at + 30, at + 30 + name), bytes.subarray(begin, begin + size));
        at = begin + size;
    }
    return entries;
}

test("takes a copy of all of it along, once a day", async () => {
    await person.say("/mydata");
    await person.tap("mydata:make");
    await person.see(/Your data, archive 1, the last one/, 60);
    await person.see(/with your data is here/);
    const { size } = await ground.row("select count(*)::int as size from export_files where export_id = (select id from exports where user_id = :id)", { id: person.rowId });
    const { images, photos } = await ground.row("select (select count(*)::int from images where user_id = :id) as images, (select count(*)::int from avatar_photos where user_id = :id) as photos", { id: person.rowId });
    const message = (await person.messages()).findLast(({ kind }) => kind === "document");
    const entries = entriesOf(await fetchFile(message));
    assert.equal(entries.size, size);
    const names = [...entries.keys()];
    assert.equal(names.filter((name) => name.startsWith("images/")).length, images);
    assert.equal(names.filter((name) => /\/photos\//.test(name)).length, photos);
    assert.ok(entries.get(names.find((name) => name.endsWith("lora.safetensors"))).length > 100);
    const orders = JSON.parse(entries.get("data/image_generations.json"));
    assert.ok(orders.some(({ original_prompt: words }) => words === `${canary} on a branch`));
    assert.equal(JSON.parse(entries.get("data/users.json"))[0].telegram_id, person.id);
    assert.ok(JSON.parse(entries.get("data/ledger.json")).length >= 5);
    for (const [name, bytes] of entries) assert.ok(!name.startsWith("data/") || !bytes.includes("Somebody else's pond"), name);
    const { objects } = await ground.control("objects");
    assert.ok(!objects.some(({ key }) => key.startsWith("exports/")), "no archive stays in the store");
    await person.say("/mydata");
    await person.see(/once a day. The next time: after/);
});

// What was sent lies with the sandbox by its hash.
const fetchFile = (message) => readFile(join(ground.folder, "sandbox/blobs", JSON.stringify(message).match(/[0-9a-f]{64}/)[0]));

test("leaves, while workers are killed, and is told", async () => {
    requests = (await ground.sql("select fal_request_id as id from image_generations where user_id = :id union select fal_request_id from avatar_trainings where user_id = :id", { id: person.rowId })).map(({ id }) => id);
    assert.equal(requests.length, 4);
    await ground.fault("fal.seconds", 3000);
    const open = await person.order(`${canary} at work`);
    const atFal = await until(() => ground.row("select fal_request_id as id from image_generations where id = :'id' and fal_request_id is not null", { id: open.id }), "an order at FAL");
    requests.push(atFal.id);
    ownFiles = (await Promise.all(requests.map(async (id) => (await ground.control(`requests?id=${id}`)).requests[0].output)))
        .flatMap((output) => JSON.stringify(output ?? {}).match(/\/fal\/files\/[^"]+/g) ?? []);
    assert.ok(ownFiles.length >= 5);
    for (const path of ownFiles) assert.equal((await ground.ask(`/sandbox${path}`)).status, 200, path);

    await person.say("/deleteme");
    await person.tap("deleteme:ask");
    await person.tap("deleteme:go");
    erasure = await until(() => ground.row("select * from erasures where user_id = :id", { id: person.rowId }), "an erasure");
    killWorkers();
    for (let kills = 0; kills < 3; kills++) {
        await until(async () => {
            await ground.requeue();
            return ground.row("select id from jobs where subject = :'id' and attempt > :kills and kind <> 'person_forget'", { id: erasure.id, kills });
        }, "a step that is taken", 120);
        killWorkers();
    }
    await until(async () => {
        await ground.requeue();
        return ground.row("select id from erasures where id = :'id' and told_at is not null", { id: erasure.id });
    }, "the end of the erasure", 240);
    await person.see(/your data is no longer here/);
    assert.ok((await ground.control(`requests?id=${atFal.id}`)).requests[0].is_cancel_asked);
    await checkLedger(ground);
    assert.deepEqual(await person.balance(), { balance: 0, held: 0 });
});

test("nothing of them is left anywhere", async () => {
    const light = await ground.redis("--scan", "--pattern", `*${person.id}*`);
    assert.deepEqual(light.trim().split("\n").filter((key) => key && !key.startsWith("done:")), []);
    await until(() => ground.row("select id from jobs where subject = :'id' and kind = 'person_forget' and state = 'queued'", { id: erasure.id }), "the last step");
    await ground.sql(`update erasures set asked_at = asked_at - interval '2 hours'; update jobs set run_at = now() where kind = 'person_forget'`);
    await until(() => ground.row("select id from erasures where id = :'id' and ended_at is not null", { id: erasure.id }), "the last step being over");

    const pattern = `(${canary}|\\m${person.id}\\M|${requests.join("|")})`;
    const tables = await ground.sql("select c.relname as name from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition");
    assert.ok(tables.length > 20);
    assert.equal((await ground.row("select count(*)::int as n from erased_marks")).n, 4, "hashes say that somebody was welcomed and used two codes");
    for (const { name } of tables) {
        const found = await ground.sql(`select t::text as line from ${name} t where t::text ~* '${pattern}' or encode(coalesce(decode(nullif(regexp_replace(t::text, '^.*\\\\x([0-9a-f]*).*$', '\\1'), t::text), 'hex'), ''), 'escape') ~* '${pattern}' limit 3`);
        assert.deepEqual(found, [], name);
    }

    const seen = new RegExp(`${canary}|(?<!\\d)${person.id}(?!\\d)`, "i");
    for (const key of (await ground.redis("--scan")).trim().split("\n").filter(Boolean)) {
        const type = (await ground.redis("type", key)).trim();
        const words = { string: ["get", key], hash: ["hgetall", key], stream: ["xrange", key, "-", "+"], zset: ["zrange", key, 0, -1], set: ["smembers", key], list: ["lrange", key, 0, -1] }[type];
        assert.doesNotMatch(`${key}\n${words ? await ground.redis(...words) : ""}`, seen, key);
    }

    const { objects } = await ground.control("objects");
    const kept = await ground.sql("select bucket, object_key as key from images union all select bucket, object_key from avatar_photos where object_key is not null union all select bucket, object_key from avatar_files");
    assert.deepEqual(objects.map(({ bucket, key }) => `${bucket}/${key}`), kept.map(({ bucket, key }) => `${bucket}/${key}`), "an object for each row, and no other");
});

test("FAL has forgotten what it had, and what was uploaded there ends within a day", async () => {
    for (const path of ownFiles) assert.equal((await ground.ask(`/sandbox${path}`)).status, 404, path);
    for (const id of requests) {
        const [request] = (await ground.control(`requests?id=${id}`)).requests;
        assert.doesNotMatch(JSON.stringify([request.input, request.output, request.callback]), new RegExp(`${canary}|/fal/files/`), id);
    }
    const day = Date.now() + 24 * 3600 * 1000;
    for (const { path, content_type: type, expires_ms: expires } of (await ground.control("files")).files)
        if (!type.startsWith("image/")) assert.ok(expires > 0 && expires <= day, `${path} ends at ${expires}`);
});

test("others have what is theirs, and whoever comes back is somebody new", async () => {
    assert.deepEqual(await other.balance(), { balance: 495, held: 0 });
    await other.say("/gallery");
    await other.see((message) => message.kind === "photo" && message.text.includes("Somebody else's pond"));
    await ground.fault("fal.seconds", 0);
    const before = person.rowId;
    await person.start();
    assert.notEqual(person.rowId, before);
    assert.deepEqual(await person.balance(), { balance: 0, held: 0 }, "but was welcomed before");
    await person.say("/promo onceonly");
    await person.see(/You have used promo code ONCEONLY already/);
    await person.say("/promo erasetest");
    await person.see(/\+5 coins/);
    await picture(person, "A new beginning");
    await checkLedger(ground);
});
