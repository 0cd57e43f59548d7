// server.mjs - deploy.sh for real: a fresh Debian 12 in a container, the outside
// parties beyond its only neighbour, and everything that an operator does with
// a server: install, install again, a new release and the way back under load,
// backup and restore. `make check-deploy` runs it, as root.
//
// ssh is the one thing replaced: what deploy.sh would send through it is run in
// the container. LOAD_UPDATES says how many updates go through both switches.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { Agent, createServer, request as plainRequest } from "node:http";
import { Agent as SecureAgent, request } from "node:https";
import { connect, createServer as createRelay } from "node:net";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { Ground, OwnGround, root, run } from "../e2e/lib/ground.mjs";
import { Person } from "../e2e/lib/person.mjs";
import { until } from "../e2e/lib/until.mjs";

const wanted = Number(process.env.LOAD_UPDATES ?? 20000);
const atATime = 16;
const folder = join(root, "build/container/one"), outside = join(root, "build/container/outside");
const container = join(root, "tests/deploy/container.sh");
const packagePort = 3142;
const open = [];
let address, neighbour, settings, server;

const inside = (...words) => run(container, ["in", folder, ...words.map(String)]);

// -- the world as the container sees it --

// What apt asks for, fetched by this machine.
function relayPackages(host) {
    const agent = new Agent({ keepAlive: true, maxSockets: 4 });
    const proxy = createServer((asked, answer) => {
        const target = new URL(asked.url);
        const fetched = plainRequest(target, { agent, method: asked.method, headers: { ...asked.headers, host: target.host } }, (got) => {
            answer.writeHead(got.statusCode, got.headers);
            got.pipe(answer);
        });
        fetched.on("error", () => answer.destroy());
        asked.pipe(fetched);
    });
    return new Promise((done) => open.push(proxy.listen(packagePort, host, done)));
}

// A door of this machine's loopback, opened for the container.
function relay(host, port) {
    const door = createRelay((from) => {
        const to = connect(port, "127.0.0.1");
        from.pipe(to).pipe(from);
        for (const side of [from, to]) side.on("error", () => (from.destroy(), to.destroy()));
    });
    return new Promise((done) => open.push(door.listen(port, host, done)));
}

async function makeCertificate(path, names) {
    mkdirSync(path, { recursive: true });
    await run("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256", "-days", "90",
        "-subj", "/CN=test", "-addext", `subjectAltName=${names}`, "-keyout", join(path, "key.pem"), "-out", join(path, "cert.pem")]);
}

// The sandbox outside, which trusts the server's certificate and shows one that is good for its own address.
async function startOutside() {
    await makeCertificate(join(outside, "tls"), `IP:${neighbour},IP:127.0.0.1,DNS:localhost`);
    await makeCertificate(join(folder, "tls"), `IP:${address}`);
    const trusted = join(outside, "trusted.pem");
    writeFileSync(trusted, readFileSync(join(outside, "tls/cert.pem")) + readFileSync(join(folder, "tls/cert.pem")));
    const words = ["start", outside, "--sandbox", "--mode", basename(process.env.BUILD ?? "build/debug"), "--only", "nginx sandbox", "--set", `CA_FILE=${trusted}`];
    const settled = () => Object.fromEntries([...readFileSync(join(outside, "env"), "utf8").matchAll(/^export (\w+)='(.*)'$/gm)].map(([, name, value]) => [name, value]));
    // Twice: ports stay as they were chosen, and FAL is to tell of addresses at which the container finds it.
    await OwnGround.runScript(words);
    await OwnGround.runScript([...words, "--set", `SANDBOX_URL=https://${neighbour}:${settled().HTTPS_PORT}/sandbox`]);
    const env = settled();
    await relay(neighbour, Number(env.HTTPS_PORT));
    await relay(neighbour, Number(env.STORE_PORT));
    return env;
}

function writeSettings(env) {
    const there = (value) => value.replaceAll("127.0.0.1", neighbour);
    const names = ["TELEGRAM_TOKEN", "TELEGRAM_API_URL", "FAL_KEY", "FAL_QUEUE_URL", "FAL_REST_URL", "FAL_JWKS_URL", "FAL_API_URL",
        "OPENAI_API_KEY", "OPENAI_BASE_URL", "MINIO_ENDPOINT", "MINIO_ACCESS_KEY", "MINIO_SECRET_KEY", "MINIO_SECURE", "TELEGRAM_WEBHOOK_SECRET"];
    const lines = names.map((name) => `${name}='${there(env[name])}'`);
    lines.push(`PUBLIC_URL=https://${address}`, "TELEGRAM_ADMIN_IDS=1001", "WELCOME_COINS=100", "FLOOD_LIMIT_PER_MINUTE=100000",
        "BACKUP_DIR=/srv/backup", `CA_FILE=${join(outside, "trusted.pem")}`);
    writeFileSync(join(folder, "aisha.env"), `${lines.join("\n")}\n`, { mode: 0o600 });
}

// deploy.sh, with its ssh leading into the container.
async function deploy(release, ...words) {
    const { status, said } = await tryDeploy(release, ...words);
    assert.equal(status, 0, said);
    return said;
}

async function tryDeploy(release, ...words) {
    const shim = join(folder, "shim");
    mkdirSync(shim, { recursive: true });
    writeFileSync(join(shim, "ssh"), `#!/bin/sh\nfor last; do :; done\nexec ${container} in ${folder} sh -c "$last"\n`);
    chmodSync(join(shim, "ssh"), 0o755);
    const child = spawn(join(root, "deploy.sh"), ["--host", "root@fresh", "--skip-test", "--config", join(folder, "aisha.env"), ...words],
        { env: { ...process.env, PATH: `${shim}:${process.env.PATH}`, AISHA_RELEASE: release, MAKEFLAGS: "" } });
    let said = "";
    child.stdout.on("data", (piece) => (said += piece));
    child.stderr.on("data", (piece) => (said += piece));
    const status = await new Promise((done) => child.on("exit", done));
    writeFileSync(join(root, "build/container", `${release}.log`), said);
    return { status, said };
}

// The bot in the container, as tests know a ground.
class Server extends Ground {
    constructor() {
        super({ ...settings, CA_FILE: join(outside, "trusted.pem"), PUBLIC_URL: `https://${address}` });
        this.bot = new SecureAgent({ keepAlive: true, maxSockets: atATime, ca: readFileSync(join(folder, "tls/cert.pem")) });
    }

    async sql(statement, values = {}) {
        const words = Object.entries(values).flatMap(([name, value]) => ["-v", `${name}=${value}`]);
        const asked = /^\s*select/i.test(statement) ? `select coalesce(json_agg(r), '[]') from (${statement}) r` : statement;
        const out = await run(container, ["in", folder, "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "postgresql://postgres@/aisha?host=/run/postgresql", ...words, "-f", "-"], { input: asked });
        return out.trim() ? JSON.parse(out) : [];
    }

    reach(path, { method = "GET", headers = {}, body } = {}) {
        return new Promise((done, fail) => {
            const sent = request(`https://${address}${path}`, { agent: this.bot, method, headers }, (got) => {
                let text = "";
                got.on("data", (piece) => (text += piece));
                got.on("end", () => done({ status: got.statusCode, text }));
                got.on("error", fail);
            });
            sent.on("error", fail);
            sent.end(body);
        });
    }
}

before(async () => {
    address = (await run(container, ["up", folder])).trim();
    neighbour = address.replace(/\.\d+$/, ".1");
    await relayPackages(neighbour);
    settings = await startOutside();
    writeSettings(settings);
    server = new Server();
});

after(async () => {
    for (const door of open) door.close();
    await OwnGround.runScript(["stop", outside]).catch(() => {});
    if (!process.env.KEEP) await run(container, ["down", folder]);
    setTimeout(() => process.exit(), 2000).unref();
});

const certificate = () => ["--certificate", join(folder, "tls/cert.pem"), "--certificate-key", join(folder, "tls/key.pem")];

test("a fresh Debian becomes a running bot", async () => {
    const said = await deploy("first", ...certificate());
    assert.match(said, /^ok +address +https:/m);
    assert.doesNotMatch(said, /^wrong /m);
    assert.deepEqual(JSON.parse((await server.reach("/health")).text), { status: "ok", release: "first" });
    assert.equal((await server.reach("/ready")).status, 200);
    for (const unit of ["aisha.target", "aisha-bot", "aisha-worker@1", "aisha-worker@2", "aisha-photo.socket", "aisha-sound.socket", "aisha-backup.timer", "redis-server@aisha", "nginx"])
        assert.equal((await inside("systemctl", "is-active", unit)).trim(), "active", unit);
    assert.equal((await inside("redis-cli", "-s", "/run/redis-aisha/redis-server.sock", "config", "get", "appendfsync")).trim().split("\n")[1], "always");
    // Nobody but root reads a secret.
    const bare = await inside("sh", "-c", "grep -rlsF -e \"$(/usr/local/sbin/aisha config show >/dev/null; systemd-creds decrypt --name=aisha.env /etc/aisha/aisha.env.cred - | sed -n 's/^JWT_SECRET=//p')\" /etc /opt/aisha /proc/[0-9]*/cmdline || true");
    assert.equal(bare.trim(), "");
});

test("run again it changes nothing", async () => {
    const said = await deploy("first", "--skip-build", ...certificate());
    assert.doesNotMatch(said, /wrote|Setting up/);
});

test("the bot does its work there: a picture is ordered, made, kept and paid", async () => {
    const person = await Person.meet(server);
    await person.say("/start");
    person.rowId = (await until(() => server.row("select id from users where telegram_id = :id", { id: person.id }), "a person")).id;
    const order = await person.order("a fox in the snow");
    await person.ended(order, "completed");
    await person.picture("a fox in the snow");
    assert.equal((await person.balance()).held, 0);
});

// -- load --

const sent = { updates: 0 }, failures = [];
let nextUpdate = 0;

function update(n) {
    const id = 81000 + (n % 2000), who = { id, is_bot: false, first_name: `R${id}`, language_code: "en" };
    const member = (status) => ({ user: { id: 1, is_bot: true, first_name: "Aisha" }, status, ...(status === "kicked" ? { until_date: 0 } : {}) });
    const [from, to] = Math.floor(n / 2000) % 2 ? ["kicked", "member"] : ["member", "kicked"];
    return { update_id: 900_000_000 + n, my_chat_member: { from: who, chat: { id, type: "private", first_name: who.first_name }, date: Math.floor(Date.now() / 1000), old_chat_member: member(from), new_chat_member: member(to) } };
}

async function sendOne() {
    const n = nextUpdate++;
    sent.updates++;
    try {
        const { status, text } = await server.reach("/webhook/telegram", { method: "POST", body: JSON.stringify(update(n)),
            headers: { "Content-Type": "application/json", "X-Telegram-Bot-Api-Secret-Token": settings.TELEGRAM_WEBHOOK_SECRET.split(",")[0] } });
        if (status !== 200) failures.push(`update ${n}: ${status} ${text.slice(0, 100)}`);
    } catch (error) {
        failures.push(`update ${n}: ${error.message}`);
    }
}

// At least that many, and on until the other thing is over.
async function underLoad(least, acts) {
    let isOver = false, given = 0;
    const senders = Array.from({ length: atATime }, async () => {
        while (!isOver || given < least) {
            given++;
            await sendOne();
        }
    });
    const outcome = await acts().finally(() => (isOver = true));
    await Promise.all(senders);
    return outcome;
}

test("a new release under load fails no request", async () => {
    const said = await underLoad(wanted / 2, () => deploy("second"));
    assert.match(said, /second answers/);
    assert.equal(JSON.parse((await server.reach("/health")).text).release, "second");
    assert.deepEqual(failures.slice(0, 5), [], `${failures.length} failed`);
});

test("and so does the way back", async () => {
    await underLoad(wanted / 2, () => deploy("rollback", "--rollback"));
    assert.equal(JSON.parse((await server.reach("/health")).text).release, "first");
    assert.deepEqual(failures.slice(0, 5), [], `${failures.length} failed`);
    console.log(`# ${sent.updates} updates, ${failures.length} failed`);
});

test("every update of the load had its effect once, and the ledger is right", async () => {
    const { turns, updates, parked } = await server.row("select (select count(*)::int from turns where update_id >= 900000000) as turns, (select count(distinct update_id)::int from turns where update_id >= 900000000) as updates, (select count(*)::int from parked_updates) as parked");
    assert.deepEqual({ turns, updates, parked }, { turns: sent.updates, updates: sent.updates, parked: 0 });
    assert.match(await inside("/usr/local/sbin/aisha", "ledger", "check"), /sums to zero/);
});

const release = async () => JSON.parse((await server.reach("/health")).text).release;
const stored = () => inside("systemd-creds", "decrypt", "--name=aisha.env", "/etc/aisha/aisha.env.cred", "-");

test("settings with which nothing answers are taken back, with the release that they came with", async () => {
    const settingsBefore = await stored();
    writeFileSync(join(folder, "wrong.env"), "REDIS_URL=unix:///run/nowhere.sock\n", { mode: 0o600 });
    const { status, said } = await tryDeploy("third", "--config", join(folder, "wrong.env"));
    assert.notEqual(status, 0);
    assert.match(said, /third does not answer; first runs again as it did/);
    assert.equal(await release(), "first");
    assert.equal((await server.reach("/ready")).status, 200);
    assert.equal(await stored(), settingsBefore);
    assert.equal((await inside("readlink", "/opt/aisha/previous")).trim(), "releases/second");
});

test("the way back leaves out what only the newer release knows", async () => {
    const cred = "/etc/aisha/aisha.env.cred";
    await inside("sh", "-c", `systemd-creds decrypt --name=aisha.env ${cred} - >/run/known && cp /run/known /run/newer && echo BRAND_NEW=1 >>/run/newer && systemd-creds encrypt --name=aisha.env /run/newer ${cred}`);
    const said = await deploy("rollback", "--rollback");
    assert.match(said, /left out, for this release does not know them: BRAND_NEW/);
    assert.equal(await release(), "second");
    assert.equal(await stored(), await inside("cat", "/run/known"));
    await inside("rm", "/run/known", "/run/newer");
});

test("a third worker is replaced with the others", async () => {
    await inside("systemctl", "start", "aisha-worker@3");
    await deploy("fourth");
    for (const n of [1, 2, 3]) {
        const pid = (await inside("systemctl", "show", "-P", "MainPID", `aisha-worker@${n}`)).trim();
        assert.match(await inside("readlink", `/proc/${pid}/exe`), /releases\/fourth\//);
    }
});

// The sandbox trusts the certificate that was given, and no other but what it is shown.
test("a certificate that nobody vouches for is shown to Telegram", async () => {
    const given = await inside("cat", "/etc/aisha/tls/cert.pem");
    await deploy("fourth", "--skip-build", "--self-signed");
    assert.notEqual(await inside("cat", "/etc/aisha/tls/cert.pem"), given);
    server.bot = new SecureAgent({ keepAlive: true, maxSockets: atATime, ca: await inside("cat", "/etc/aisha/tls/cert.pem") });
    const person = await Person.meet(server);
    await person.say("/start");
    await until(() => server.row("select id from users where telegram_id = :id", { id: person.id }), "a person");
});

test("the nightly backup works in its cage, and can be restored", async () => {
    await inside("/usr/local/sbin/aisha", "backup"); // by hand, as root: the next one has to live with it
    await inside("systemctl", "start", "aisha-backup");
    assert.equal((await inside("find", "/srv/backup", "!", "-user", "aisha-backup")).trim(), "");
    const superuser = ["env", "DATABASE_URL=postgresql://postgres@/aisha?host=/run/postgresql", "/usr/local/sbin/aisha"];
    assert.match(await inside(...superuser, "restore", "--verify"), /can be restored: \d+ rows of \d+ tables and [1-9]\d* objects/);
});

test("everything stops and starts by one name", async () => {
    await inside("systemctl", "stop", "aisha.target");
    await inside("systemctl", "start", "aisha.target");
    await until(async () => (await server.reach("/ready").catch(() => ({}))).status === 200, "a bot that is ready");
});
