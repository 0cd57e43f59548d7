// sandbox.mjs - a sandbox of a test's own: nginx and aisha-sandbox in a folder
// under /tmp, on a free port, with no bot behind it. The test plays the bot.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const token = "100000001:TEST-token_of_the_page";

function freePort() {
    return new Promise((done) => {
        const server = createServer().listen(0, "127.0.0.1", () => {
            const { port } = server.address();
            server.close(() => done(port));
        });
    });
}

function program() {
    const path = resolve(root, process.env.BUILD ?? "build/debug", "bin/aisha-sandbox");
    if (!existsSync(path)) throw new Error(`${path} is not built`);
    return path;
}

const nginxConf = (folder, port) => `
daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log warn;
${process.getuid() === 0 ? "user root;" : ""}
events { worker_connections 256; }
http {
    access_log off;
    client_body_temp_path ${folder}/body; fastcgi_temp_path ${folder}/fastcgi;
    proxy_temp_path ${folder}/proxy; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
    upstream aisha_sandbox { server unix:${folder}/sandbox.sock; keepalive 16; keepalive_timeout 2s; }
    server {
        listen 127.0.0.1:${port};
        client_max_body_size 64m;
        location /sandbox/ { include "${root}nginx/sandbox_fastcgi.conf"; }
    }
}
`;

function waitFor(child) {
    return new Promise((done) => {
        if (child.exitCode !== null || child.signalCode !== null) done();
        else child.once("exit", done);
    });
}

export async function startSandbox() {
    const folder = mkdtempSync(join(tmpdir(), "aisha-page-"));
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/sandbox`;
    mkdirSync(join(folder, "data"));
    writeFileSync(join(folder, "nginx.conf"), nginxConf(folder, port));
    const environment = {
        ...process.env, SANDBOX_DIR: join(folder, "data"), SANDBOX_URL: url, TELEGRAM_TOKEN: token,
        SANDBOX_PAGE: join(root, "tests/sandbox/page"), LOG_LEVEL: "warn",
        MINIO_ACCESS_KEY: "test", MINIO_SECRET_KEY: "test-secret", FAL_KEY: "test:key", OPENAI_API_KEY: "sk-test",
    };
    // They end with the test, however it ends.
    const run = (...words) => spawn("setpriv", ["--pdeathsig", "TERM", "--", ...words], { env: environment, stdio: ["ignore", "inherit", "inherit"] });
    const runSandbox = () => run("spawn-fcgi", "-n", "-s", join(folder, "sandbox.sock"), "--", program());
    const stop = (child) => {
        child.kill("SIGTERM");
        return waitFor(child);
    };
    const nginx = run("nginx", "-e", join(folder, "nginx.log"), "-p", folder, "-c", join(folder, "nginx.conf"));
    let player = runSandbox();
    const sandbox = {
        url,
        token,
        call: (method, parameters) => callBot(url, method, parameters),
        halt: () => stop(player),
        async resume() {
            rmSync(join(folder, "sandbox.sock"), { force: true });
            player = runSandbox();
            await answers(`${url}/chat/state`);
        },
        async stop() {
            await Promise.all([stop(player), stop(nginx)]);
            rmSync(folder, { recursive: true, force: true });
        },
    };
    await answers(`${url}/chat/state`);
    return sandbox;
}

// Asks until somebody answers; a minute is more than any machine needs.
async function answers(address) {
    for (let attempt = 0; attempt < 600; attempt++) {
        const response = await fetch(address).catch(() => null);
        if (response?.ok) return;
        await new Promise((done) => setTimeout(done, 100));
    }
    throw new Error(`${address} does not answer`);
}

function multipart(parameters) {
    const form = new FormData();
    for (const [name, value] of Object.entries(parameters)) {
        if (value instanceof Blob) form.append(name, value, value.name ?? "file.bin");
        else form.append(name, typeof value === "object" ? JSON.stringify(value) : String(value));
    }
    return { method: "POST", body: form };
}

// One call of the Bot API: the whole answer, refused or not.
async function callBot(url, method, parameters = {}) {
    const hasFile = Object.values(parameters).some((value) => value instanceof Blob);
    const request = hasFile ? multipart(parameters)
        : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(parameters) };
    return (await fetch(`${url}/telegram/bot${token}/${method}`, request)).json();
}

// The bot that a test plays: it fetches updates and calls methods.
export class PlayedBot {
    constructor(sandbox) {
        this.sandbox = sandbox;
        this.offset = 0;
        this.seen = [];
    }

    async call(method, parameters) {
        const answer = await this.sandbox.call(method, parameters);
        if (!answer.ok) throw new Error(`${method}: ${answer.error_code} ${answer.description}`);
        return answer.result;
    }

    // The first update that fits, of those not handed out yet.
    async next(fits) {
        const until = Date.now() + 20000;
        while (Date.now() < until) {
            const at = this.seen.findIndex(fits);
            if (at >= 0) return this.seen.splice(at, 1)[0];
            const updates = await this.call("getUpdates", { offset: this.offset, timeout: 5 });
            for (const update of updates) this.offset = update.update_id + 1;
            this.seen.push(...updates);
        }
        throw new Error("the update that was waited for did not come");
    }

    message(user, fits = () => true) {
        return this.next((update) => update.message?.chat.id === user && fits(update.message)).then((update) => update.message);
    }

    tap(user) {
        return this.next((update) => update.callback_query?.from.id === user).then((update) => update.callback_query);
    }

    send(user, text, more = {}) {
        return this.call("sendMessage", { chat_id: user, text, parse_mode: "HTML", ...more });
    }
}

export const keyboard = (...rows) => ({
    inline_keyboard: rows.map((row) => row.map(([text, data]) => ({ text, callback_data: data }))),
});
