// backup_test.mjs - what is saved can be brought back: real people, pictures and
// coins into a vault, and from there into an empty database and an empty store.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { operator } from "./lib/aisha.mjs";
import { OwnGround, run } from "./lib/ground.mjs";
import { Person } from "./lib/person.mjs";
import { until } from "./lib/until.mjs";

let ground, aisha, folder, superuser, person;

before(async () => {
    folder = mkdtempSync(join(tmpdir(), "aisha-backup-"));
    ground = await OwnGround.start("backup", { settings: { WELCOME_COINS: 100 } });
    await ground.fault("fal.pixels", 64);
    await ground.fault("fal.seconds", 0);
    aisha = operator(ground);
    superuser = { DATABASE_URL: `postgresql://postgres@/aisha?host=${ground.settings.PGHOST}` };
    person = await (await Person.meet(ground)).start();
    await person.ended(await person.order("a fox in the snow"), "completed");
});

after(async () => {
    rmSync(folder, { recursive: true, force: true });
    await ground?.end();
});

const inFolder = () => ({ BACKUP_DIR: folder });
const inBucket = () => ({
    BACKUP_ENDPOINT: ground.settings.MINIO_ENDPOINT, BACKUP_ACCESS_KEY: ground.settings.MINIO_ACCESS_KEY,
    BACKUP_SECRET_KEY: ground.settings.MINIO_SECRET_KEY, BACKUP_SECURE: "false", BACKUP_BUCKET: "nightly",
});

function filesBelow(path) {
    return readdirSync(path, { withFileTypes: true, recursive: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.path, entry.name));
}

function works(words, settings) {
    const answer = aisha([...words, "--json"], settings);
    assert.equal(answer.status, 0, answer.err);
    return answer.json();
}

// A stamp has seconds, and so a second backup needs another one.
async function nextSecond() {
    const second = Math.floor(Date.now() / 1000);
    while (Math.floor(Date.now() / 1000) === second) await new Promise((done) => setTimeout(done, 20));
}

// A new database of the same server, where the roles are.
async function emptyDatabase(name) {
    await run("createdb", ["-h", ground.settings.PGHOST, "-U", "postgres", name]);
    return { DATABASE_URL: `postgresql://postgres@/${name}?host=${ground.settings.PGHOST}` };
}

// What a vault says is in the object store: each object with its digest.
function objectsIn(vault, { backup }) {
    return readFileSync(join(vault, "manifests", backup), "utf8").trim().split("\n").map((line) => JSON.parse(line))
        .filter(({ object }) => object).map(({ bucket, object, sha256 }) => `${bucket}/${object} ${sha256}`);
}

test("a place for backups has to be named, and only one", () => {
    const nowhere = aisha(["backup"]);
    assert.equal(nowhere.status, 1);
    assert.match(nowhere.err, /neither BACKUP_DIR nor BACKUP_ENDPOINT[^]*BACKUP_DIR names a folder/);
    assert.match(aisha(["backup"], { ...inFolder(), ...inBucket() }).err, /both set/);
    assert.deepEqual(works(["backup", "ls"], inFolder()), []);
    assert.match(aisha(["restore", "--verify"], inFolder()).err, /there is no backup/);
});

for (const [name, settings] of [["a folder", inFolder], ["another S3 server", inBucket]]) {
    test(`everything is saved to ${name}, what has not changed only once`, async () => {
        const first = works(["backup"], settings());
        assert.ok(first.tables > 30 && first.rows > 10 && first.objects >= 1, JSON.stringify(first));
        assert.equal(first.copied, first.objects);

        await nextSecond();
        await person.ended(await person.order(`a ${name} with a lake`), "completed");
        const second = works(["backup"], settings());
        assert.equal(second.objects, first.objects + 1);
        assert.equal(second.copied, 1);
        assert.deepEqual(works(["backup", "ls"], settings()).map(({ backup }) => backup), [first.backup, second.backup]);
        for (const backup of [first.backup, second.backup])
            assert.equal(works(["restore", "--verify", "--backup", backup], { ...settings(), ...superuser }).backup, backup);
        assert.equal((await ground.row("select count(*)::int as n from pg_database where datname like 'aisha_restore_%'")).n, 0);
    });
}

test("the database comes back into an empty one, and is what was saved", async () => {
    await nextSecond();
    const target = await emptyDatabase("aisha_again");
    // PostgreSQL frames what it dumps with a token of the day.
    const dump = async (database) => (await run("pg_dump", ["-h", ground.settings.PGHOST, "-U", "postgres", database])).replace(/^\\(un)?restrict .*$/gm, "");
    await ground.withoutWorkers(async () => {
        const saved = works(["backup"], inFolder()), before = await dump("aisha");
        const brought = works(["restore"], { ...inFolder(), ...target });
        assert.deepEqual([brought.rows, brought.objects, brought.bytes], [saved.rows, saved.objects, saved.bytes]);
        const hash = (text) => createHash("sha256").update(text).digest("hex");
        assert.equal(hash(await dump("aisha_again")), hash(before));
    });
    const people = aisha(["restore"], { ...inFolder(), ...target });
    assert.equal(people.status, 1);
    assert.match(people.err, /there are people[^]*--force throws away/);
    works(["restore", "--force"], { ...inFolder(), ...target });
    assert.match(aisha(["ledger", "check"], { ...target, STATUS_DATABASE_URL: null }).out, /sums to zero/);
});

test("objects that are gone from the store come back", async () => {
    const looks = ["one", "two", "three"].map((name) => join(folder, name));
    const look = (vault) => objectsIn(vault, works(["backup"], { BACKUP_DIR: vault }));
    const all = look(looks[0]);
    await ground.sql("delete from images");
    await until(async () => (await ground.row("select count(*)::int as n from jobs where kind = 'object_delete' and state <> 'done'")).n === 0, "objects being deleted");
    assert.deepEqual(look(looks[1]), all.filter((object) => !object.startsWith(`${ground.settings.MINIO_BUCKET_IMAGES ?? "images"}/`)));

    works(["restore"], { BACKUP_DIR: looks[0], ...(await emptyDatabase("aisha_objects")) });
    assert.deepEqual(look(looks[2]), all);
    for (const vault of looks) rmSync(vault, { recursive: true });
});

test("a vault that was damaged is noticed", async () => {
    const objects = filesBelow(join(folder, "objects"));
    const whole = readFileSync(objects[0]);
    writeFileSync(objects[0], Buffer.concat([whole.subarray(0, -1), Buffer.from([whole.at(-1) ^ 1])]));
    const damaged = aisha(["restore", "--verify"], { ...inFolder(), ...superuser });
    assert.equal(damaged.status, 1);
    assert.match(damaged.err, /object .* is not what was saved/);
    renameSync(objects[0], `${objects[0]}.away`);
    assert.match(aisha(["restore", "--verify"], { ...inFolder(), ...superuser }).err, /No such file/);
    rmSync(`${objects[0]}.away`);
    writeFileSync(objects[0], whole);

    const part = filesBelow(join(folder, "database")).sort().at(-1), dump = readFileSync(part);
    writeFileSync(part, dump.subarray(0, dump.length / 2));
    assert.match(aisha(["restore", "--verify"], { ...inFolder(), ...superuser }).err, /database\/.* is not what was saved/);
    writeFileSync(part, dump);
    const manifest = filesBelow(join(folder, "manifests")).sort().at(-1), text = readFileSync(manifest, "utf8");
    writeFileSync(manifest, text.split("\n").slice(0, -2).join("\n") + "\n");
    assert.match(aisha(["restore", "--verify"], { ...inFolder(), ...superuser }).err, /no whole manifest/);
    writeFileSync(manifest, text.replace(/("rows":)(\d+)/, (line, name, rows) => `${name}${Number(rows) + 1}`));
    assert.match(aisha(["restore", "--verify"], { ...inFolder(), ...superuser }).err, /table \w+ has \d+ rows, saved were \d+/);
    writeFileSync(manifest, text);
    assert.equal(aisha(["restore", "--verify"], { ...inFolder(), ...superuser }).status, 0);
});

test("old backups go, with what only they needed", async () => {
    const [oldest] = works(["backup", "ls"], inFolder());
    // As if it had been made three weeks ago, with an object that nothing else has.
    const aged = new Date(Date.now() - 21 * 86400_000).toISOString().replace(/[-:]|\.\d+/g, "");
    const only = createHash("sha256").update("only here").digest("hex");
    const text = readFileSync(join(folder, "manifests", oldest.backup), "utf8").trimEnd().split("\n");
    const end = JSON.parse(text.pop());
    text[0] = JSON.stringify({ ...JSON.parse(text[0]), backup: aged });
    text.push(JSON.stringify({ object: "x", bucket: "images", etag: "", type: "", sha256: only, bytes: 9 }), JSON.stringify({ end: end.end + 1 }));
    writeFileSync(join(folder, "manifests", aged), `${text.join("\n")}\n`);
    rmSync(join(folder, "manifests", oldest.backup));
    await run("mkdir", ["-p", join(folder, "objects", only.slice(0, 2))]);
    writeFileSync(join(folder, "objects", only.slice(0, 2), only), "only here");

    await nextSecond();
    const newest = works(["backup"], inFolder());
    assert.equal(newest.forgotten, 1);
    assert.ok(!existsSync(join(folder, "objects", only.slice(0, 2), only)));
    assert.ok(!existsSync(join(folder, "database", oldest.backup, "00001")));
    assert.equal(works(["restore", "--verify"], { ...inFolder(), ...superuser }).backup, newest.backup);
});

test("two at a time do not get into each other's way", async () => {
    const lock = run("psql", ["-XAtq", "-h", ground.settings.PGHOST, "-U", "postgres", "-d", "aisha", "-c", "select pg_advisory_lock(20261121)", "-c", "select pg_sleep(600)"]).catch(() => {});
    const holder = await until(async () => (await ground.row("select pid from pg_locks where locktype = 'advisory' and objid = 20261121"))?.pid, "somebody who holds the lock");
    assert.match(aisha(["backup"], inFolder()).err, /another backup or restore/);
    await ground.sql(`select pg_terminate_backend(${holder})`);
    await lock;
});
