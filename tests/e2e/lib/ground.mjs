// ground.mjs - the whole bot under run.sh, with the sandbox as its outside world.
//
// Settings come from the environment, as in `make check`, or from the file that
// AISHA_ENV names, or from build/run/env of a running `make run`. A test that
// stops things, or needs settings of its own, starts a ground of its own.
import { execFile, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { Agent, request } from "node:https";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "./until.mjs";
import { Postgres } from "./wire.mjs";

export const root = fileURLToPath(new URL("../../../", import.meta.url));

function unquote(value) {
    return value.replace(/'([^']*)'|"([^"]*)"|\\(.)/g, (whole, single, double, escaped) => single ?? double ?? escaped);
}

function readSettings(path) {
    const settings = {};
    for (const line of readFileSync(path, "utf8").split("\n")) {
        const match = /^(?:export )?([A-Z][A-Z0-9_]*)=(.*)$/.exec(line);
        if (match) settings[match[1]] = unquote(match[2]);
    }
    return settings;
}

export function findGround() {
    const file = process.env.AISHA_ENV;
    const settings = !file && process.env.HTTPS_PORT ? process.env : readSettings(file ?? `${root}build/run/env`);
    return new Ground(settings);
}

// What a program printed to stdout; stderr belongs to the error. `input` is given to it.
export function run(program, words, { environment = process.env, input } = {}) {
    return new Promise((done, fail) => {
        const child = execFile(program, words, { env: environment, maxBuffer: 1 << 26 }, (error, out, err) => {
            if (error) fail(Object.assign(error, { out, err, message: `${program} ${words.join(" ")}: ${err || error.message}` }));
            else done(out);
        });
        child.stdin.on("error", () => {}); // who ends before it has read says why by its status
        child.stdin.end(input ?? "");
    });
}

export class Ground {
    constructor(settings) {
        this.settings = settings;
        this.origin = `https://127.0.0.1:${settings.HTTPS_PORT}`;
        this.url = `${this.origin}/sandbox`;
        this.folder = settings.AISHA_DIR;
        this.agent = new Agent({ keepAlive: true, maxSockets: 64, ca: readFileSync(settings.CA_FILE) });
        this.postgres = new Postgres(settings.PGHOST);
    }

    // One request to nginx. A body that is a list is sent in pieces, without a length. isFresh: by a connection of its
    // own, for whoever has not listened for a while and would not know that the kept ones are closed.
    ask(path, { method, headers = {}, body, isFresh = false } = {}) {
        return new Promise((done, fail) => {
            const sent = request(`${this.origin}${path}`, { agent: isFresh ? false : this.agent, ca: this.agent.options.ca, method: method ?? (body === undefined ? "GET" : "POST"), headers }, (response) => {
                const pieces = [];
                response.on("data", (piece) => pieces.push(piece));
                response.on("error", fail);
                response.on("end", () => {
                    const text = Buffer.concat(pieces).toString();
                    done({ status: response.statusCode, headers: response.headers, text, json: () => JSON.parse(text) });
                });
            });
            sent.on("error", fail);
            if (Array.isArray(body)) {
                for (const piece of body) sent.write(piece);
                sent.end();
            } else {
                sent.end(body);
            }
        });
    }

    // An update as Telegram brings it. The body is an object, or bytes that may be anything.
    update(body, { secret = this.settings.TELEGRAM_WEBHOOK_SECRET.split(",")[0], headers = {} } = {}) {
        const bytes = Buffer.isBuffer(body) || Array.isArray(body) || typeof body === "string" ? body : JSON.stringify(body);
        const own = { "Content-Type": "application/json", ...(secret === null ? {} : { "X-Telegram-Bot-Api-Secret-Token": secret }) };
        return this.ask("/webhook/telegram", { method: "POST", headers: { ...own, ...headers }, body: bytes });
    }

    async control(name, body, options = {}) {
        const answer = await this.ask(`/sandbox/control/${name}`, body === undefined ? options : { ...options, body: JSON.stringify(body) });
        if (answer.status !== 200) throw new Error(`control/${name}: ${answer.status} ${answer.text}`);
        return answer.json();
    }

    fault(name, value) {
        return this.control("fault", { name, value });
    }

    async noFaults() {
        for (const { name } of (await this.control("faults")).faults) await this.fault(name, null);
    }

    // Every update has been answered.
    settled() {
        return until(async () => (await this.control("pending")).pending === 0, "an empty queue of updates");
    }

    // Rows of a statement as objects; values are put in by name, as :'name'. What is no select may change the
    // connection or end it, and has one of its own.
    async sql(statement, values = {}) {
        if (/^\s*select/i.test(statement)) return this.postgres.ask(statement, values);
        const words = Object.entries(values).flatMap(([name, value]) => ["-v", `${name}=${value}`]);
        const out = await run("psql", ["-XAtq", "-v", "ON_ERROR_STOP=1", "-h", this.settings.PGHOST, "-U", "postgres",
            "-d", "aisha", ...words, "-f", "-"], { input: statement });
        return out.trim() ? JSON.parse(out) : [];
    }

    async row(statement, values) {
        return (await this.sql(statement, values))[0];
    }

    redis(...words) {
        return run("redis-cli", ["-s", this.settings.REDIS_URL.replace(/^unix:\/\//, "").replace(/\?.*/, ""), "--raw", ...words.map(String)]);
    }

    // The pid of a service's program, or of the keeper that revives it.
    pid(service) {
        return Number(readFileSync(join(this.folder, "pid", service), "utf8").split(" ")[0]);
    }

    // Kills a service's program, if that very process is still there: its number may be somebody else's by now.
    kill(service) {
        try {
            const [pid, started] = readFileSync(join(this.folder, "pid", service), "utf8").trim().split(" ");
            const fields = readFileSync(`/proc/${pid}/stat`, "latin1").replace(/^.*\) /s, "").split(" ");
            if (started && fields[19] === started) process.kill(Number(pid), "SIGKILL");
        } catch { /* it is being revived */ }
    }

    // What the sweep does for jobs whose worker is dead, without waiting for the end of their leases and for whoever
    // sweeps: those two are what `faults` waits for.
    async requeue(failures = "failures + 1") {
        const rows = await this.sql("select distinct worker from jobs where state = 'running'");
        const dead = rows.map(({ worker }) => worker).filter((worker) => !existsSync(`/proc/${worker.split(":").at(-2)}`));
        for (const worker of dead)
            await this.sql(`update jobs set state = 'queued', leased_until = null, failures = ${failures}, run_at = now(),
                last_error = 'the lease ran out' where state = 'running' and worker = :'worker'`, { worker });
    }

    // Holds the workers still: nothing is sent and nothing asked of FAL meanwhile.
    async withoutWorkers(acts) {
        const pids = ["worker-1", "worker-2"].map((name) => this.pid(name));
        for (const pid of pids) process.kill(pid, "SIGSTOP");
        try {
            return await acts();
        } finally {
            for (const pid of pids) process.kill(pid, "SIGCONT");
        }
    }

    // A service is dead and stays so meanwhile: its keeper is held still, then let go.
    async without(service, signal, acts) {
        const keeper = this.pid(`${service}.keeper`), program = this.pid(service);
        process.kill(keeper, "SIGSTOP");
        try {
            process.kill(program, signal);
            return await acts();
        } finally {
            process.kill(keeper, "SIGCONT");
        }
    }

    log(name) {
        return readFileSync(join(this.folder, "log", `${name}.log`), "utf8");
    }

    // For the end of a test file: how many calls went out, and which of them Telegram refused.
    async callReport(planned = () => false) {
        const counts = await this.control("counts");
        const refused = (await this.control("calls?refused=1&limit=1000")).calls.filter((call) => !planned(call));
        console.log(`# outgoing Bot API calls: ${counts.calls}, refused and not planned: ${refused.length}`);
        return refused.map((call) => `${call.method} ${call.status} ${call.parameters} ${call.result}`);
    }
}

// Of the build that is tested.
export const ofThisBuild = ["--mode", basename(process.env.BUILD ?? "build/debug")];

// A ground of the test's own, in build/e2e/<name>, always with new data.
export class OwnGround extends Ground {
    // settings go before everything; environment is what an operator would have set, and then no
    // party is played that it names. `only` as in run.sh.
    static async start(name, { settings = {}, environment, only, processes = 1 } = {}) {
        const folder = join(root, "build/e2e", name);
        mkdirSync(folder, { recursive: true });
        const words = [...ofThisBuild, ...(environment ? [] : ["--sandbox"]),
            ...(only ? ["--only", only] : []), ...Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`])];
        await OwnGround.runScript(["start", folder, "--fresh", ...words], environment, processes);
        const ground = new OwnGround(readSettings(join(folder, "env")));
        Object.assign(ground, { words, environment, processes });
        return ground;
    }

    // Nothing of this process's own settings reaches it.
    static runScript(words, environment = {}, processes = 1) {
        const kept = Object.fromEntries(["PATH", "HOME", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS", "XDG_RUNTIME_DIR", "CLUSTER"]
            .filter((name) => process.env[name]).map((name) => [name, process.env[name]]));
        return new Promise((done, fail) => {
            const child = spawn(join(root, "fcgi/run.sh"), words, { env: { ...kept, BOT_PROCESSES: processes, ...environment } });
            let said = "";
            child.stdout.on("data", (piece) => (said += piece));
            child.stderr.on("data", (piece) => (said += piece));
            child.on("exit", (status) => (status === 0 ? done(said) : fail(new Error(`run.sh ${words.join(" ")}: ${said}`))));
        });
    }

    async halt() {
        this.agent.destroy();
        await OwnGround.runScript(["stop", this.folder]);
    }

    // Up again with the data it had.
    async resume() {
        await OwnGround.runScript(["start", this.folder, ...this.words], this.environment, this.processes);
    }

    // For good. What the sanitizers said in its logs fails the test.
    async end() {
        await this.halt();
        for (const file of readdirSync(join(this.folder, "log")).filter((one) => one.endsWith(".log"))) {
            const found = /^.*(ERROR: (Address|Leak)Sanitizer|runtime error:).*$/m.exec(readFileSync(join(this.folder, "log", file), "utf8"));
            if (found) throw new Error(`${file}: ${found[0]}`);
        }
    }
}
