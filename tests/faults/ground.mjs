// ground.mjs - the whole bot in a folder of its own, with a relay in front of
// each store and each outside party, and the hands to kill what runs there.
import { execFile, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { Agent, request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { until } from "../e2e/lib/until.mjs";
import { Postgres } from "../e2e/lib/wire.mjs";
import { RedisRelay, Relay } from "./relay.mjs";

const run = promisify(execFile);
export const root = fileURLToPath(new URL("../../", import.meta.url));
export const pause = (ms) => new Promise((done) => setTimeout(done, ms));
export { until };

function readShell(path) {
    const values = {};
    for (const line of readFileSync(path, "utf8").split("\n")) {
        const match = /^(?:export )?([A-Z][A-Z0-9_]*)='?(.*?)'?$/.exec(line);
        if (match) values[match[1]] = match[2];
    }
    return values;
}

// Field 22 of /proc/<pid>/stat: with it a pid means one process for ever.
function startTime(pid) {
    try {
        const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/.*\) /s, "").split(" ");
        return fields[0] === "Z" ? null : fields[19];
    } catch {
        return null;
    }
}

export class Ground {
    constructor(name, { mode, settings = {}, only = "" }) {
        this.folder = join(root, "build", name);
        this.mode = mode;
        this.settings = settings;
        this.only = only;
        this.sockets = mkdtempSync(join(tmpdir(), "aisha-relay-"));
        const ports = () => readShell(join(this.folder, "ports"));
        const real = (path) => ({ path: join(realpathSync(join(this.folder, "sockets")), path) });
        const loopback = { host: "127.0.0.1", port: 0 };
        const nginx = () => ({ host: "127.0.0.1", port: Number(ports().HTTPS_PORT) });
        this.relays = {
            PostgreSQL: new Relay({ path: join(this.sockets, ".s.PGSQL.5432") }, () => real("postgres/.s.PGSQL.5432")),
            Redis: new RedisRelay({ path: join(this.sockets, "redis.sock") }, () => real("redis.sock")),
            S3: new Relay({ ...loopback }, () => ({ host: "127.0.0.1", port: Number(ports().STORE_PORT) })),
            FAL: new Relay({ ...loopback }, nginx),
            Telegram: new Relay({ ...loopback }, nginx),
        };
    }

    // -- up and down --

    async script(...words) {
        const child = spawn(join(root, "fcgi/run.sh"), words, { stdio: ["ignore", "pipe", "pipe"] });
        let text = "";
        for (const stream of [child.stdout, child.stderr]) stream.on("data", (piece) => (text += piece));
        const status = await new Promise((done) => child.on("exit", done));
        if (status !== 0) throw new Error(`run.sh ${words[0]}: ${status}\n${text}`);
        return text;
    }

    // The sandbox gives FAL's addresses from its own, so those lead through FAL's relay too.
    addresses() {
        const far = (relay) => `https://127.0.0.1:${this.relays[relay].at.port}/sandbox`;
        return {
            REDIS_URL: `unix://${this.sockets}/redis.sock`,
            DATABASE_SOCKETS: this.sockets,
            TELEGRAM_API_URL: `${far("Telegram")}/telegram`,
            FAL_QUEUE_URL: `${far("FAL")}/fal/queue`,
            FAL_REST_URL: `${far("FAL")}/fal/rest`,
            FAL_JWKS_URL: `${far("FAL")}/fal/rest/.well-known/jwks.json`,
            SANDBOX_URL: far("FAL"),
            MINIO_ENDPOINT: `127.0.0.1:${this.relays.S3.at.port}`,
        };
    }

    async start() {
        mkdirSync(this.folder, { recursive: true });
        // Who is told to end leaves nothing running.
        for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"])
            process.once(signal, () => {
                spawnSync(join(root, "fcgi/run.sh"), ["stop", this.folder]);
                rmSync(this.sockets, { recursive: true, force: true });
                process.exit(1);
            });
        for (const relay of Object.values(this.relays)) await relay.open();
        const given = Object.entries({ ...this.addresses(), ...this.settings });
        await this.script("start", this.folder, "--mode", this.mode, "--sandbox", "--fresh",
            ...(this.only ? ["--only", this.only] : []), ...given.flatMap(([name, value]) => ["--set", `${name}=${value}`]));
        this.env = readShell(join(this.folder, "env"));
        this.agent = new Agent({ keepAlive: true, maxSockets: 64, ca: readFileSync(join(this.folder, "tls/cert.pem")) });
        // What is acknowledged must be on the disk, as in production; Redis writes it into its own file.
        await this.redis("CONFIG", "SET", "appendfsync", "always");
        await this.redis("CONFIG", "REWRITE");
    }

    async stop() {
        for (const relay of Object.values(this.relays)) if (relay.isSilent) await relay.open();
        this.agent?.destroy();
        await this.script("stop", this.folder);
        for (const relay of Object.values(this.relays)) await relay.close();
        rmSync(this.sockets, { recursive: true, force: true });
    }

    // -- asking --

    fetch(path, { method = "GET", headers = {}, body } = {}) {
        return new Promise((done, failed) => {
            const call = request({ host: "127.0.0.1", port: this.env.HTTPS_PORT, path, method, headers, agent: this.agent }, (response) => {
                const pieces = [];
                response.on("data", (piece) => pieces.push(piece));
                response.on("end", () => done({ status: response.statusCode, text: Buffer.concat(pieces).toString() }));
                response.on("error", failed);
            });
            call.on("error", failed).end(body);
        });
    }

    async control(name, body) {
        const sent = body === undefined ? {} : { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
        const ask = () => this.fetch(`/sandbox/control/${name}`, sent);
        // nginx may close a kept connection just when a question goes out on it.
        const { status, text } = await ask().catch((error) => (error.code === "ECONNRESET" && body === undefined ? ask() : Promise.reject(error)));
        if (status !== 200) throw new Error(`control ${name}: ${status} ${text.slice(0, 200)}`);
        return JSON.parse(text);
    }

    // A question to PostgreSQL itself, past the relay: the rows as objects.
    sql(query) {
        this.postgres ??= new Postgres(this.env.PGHOST);
        return this.postgres.ask(query);
    }

    async redis(...words) {
        const { stdout } = await run("redis-cli", ["-s", join(this.env.SOCKETS, "redis.sock"), ...words], { maxBuffer: 1 << 28 });
        return stdout.trim();
    }

    // -- processes --

    bots() {
        return readdirSync(join(this.folder, "ready")).map(Number).filter((pid) => startTime(pid));
    }

    // The process that a keeper keeps, as {pid, started}.
    kept(name) {
        const path = join(this.folder, "pid", name);
        if (!existsSync(path)) return null;
        const [pid, started] = readFileSync(path, "utf8").trim().split(" ");
        return started && startTime(pid) === started ? { pid: Number(pid), started } : null;
    }

    async stores() {
        const answers = await Promise.allSettled([this.sql("select 1 as one"), this.redis("PING")]);
        return answers[0].status === "fulfilled" && answers[1].value === "PONG";
    }

    async allRun() {
        const kept = ["redis", "postgres", "worker-1", "worker-2"].every((name) => this.kept(name));
        return kept && this.bots().length >= Number(this.env.BOT_PROCESSES) && await this.stores();
    }

    // What the sanitizers had to say in any log.
    complaints() {
        const found = [];
        for (const name of readdirSync(join(this.folder, "log")).filter((file) => file.endsWith(".log")))
            for (const line of readFileSync(join(this.folder, "log", name), "utf8").split("\n"))
                if (/ERROR: (Address|Leak)Sanitizer|runtime error:|Assertion/.test(line)) found.push(`${name}: ${line}`);
        return found;
    }
}

// As embed.awk puts it into the program: without the last line's end.
export const commitScriptSha = createHash("sha1").update(readFileSync(join(root, "db/lua/turn_commit.lua"), "utf8").trimEnd()).digest("hex");
