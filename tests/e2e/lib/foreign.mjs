// foreign.mjs - outside parties that are not the bot's own sandbox: a second
// ground of which only nginx and the sandbox run, standing in for any emulator.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { OwnGround, ofThisBuild, root } from "./ground.mjs";

function secretsOf(folder) {
    return Object.fromEntries(readFileSync(join(folder, "secrets"), "utf8").trim().split("\n").map((line) => line.split(/=(.*)/s)));
}

// Makes what a ground keeps for good, its certificate and its secrets, and starts nothing.
async function prepare(name) {
    const folder = join(root, "build/e2e", name);
    mkdirSync(folder, { recursive: true });
    await OwnGround.runScript(["start", folder, "--sandbox", "--only", "nothing", ...ofThisBuild]);
    return folder;
}

// The parties, and the environment in which an operator would start `name` to use them.
export async function startForeign(name) {
    const folder = await prepare(name), foreignFolder = await prepare(`${name}_parties`);
    const secrets = secretsOf(folder);
    const certificates = join(foreignFolder, "both.pem");
    writeFileSync(certificates, readFileSync(join(folder, "tls/cert.pem"), "utf8") + readFileSync(join(foreignFolder, "tls/cert.pem"), "utf8"));
    const foreign = await OwnGround.start(`${name}_parties`, {
        only: "nginx sandbox",
        settings: {
            TELEGRAM_TOKEN: secrets.LOCAL_TELEGRAM_TOKEN, FAL_KEY: secrets.LOCAL_FAL_KEY, CA_FILE: certificates,
            MINIO_ACCESS_KEY: "minioadmin", MINIO_SECRET_KEY: "minioadmin",
        },
    });
    const environment = {
        TELEGRAM_API_URL: `${foreign.url}/telegram`, FAL_QUEUE_URL: `${foreign.url}/fal/queue`, FAL_REST_URL: `${foreign.url}/fal/rest`,
        FAL_JWKS_URL: `${foreign.url}/fal/rest/.well-known/jwks.json`, OPENAI_BASE_URL: `${foreign.url}/openai/v1`,
        MINIO_ENDPOINT: `127.0.0.1:${foreign.settings.STORE_PORT}`, CA_FILE: join(foreignFolder, "tls/cert.pem"),
    };
    return { foreign, environment, token: secrets.LOCAL_TELEGRAM_TOKEN };
}

// People of the foreign parties chat with the bot of this ground.
export function chatThrough(ground, foreign) {
    ground.control = foreign.control.bind(foreign);
    return ground;
}

export async function callBot(foreign, token, method, parameters = {}) {
    const answer = await foreign.ask(`/sandbox/telegram/bot${token}/${method}`, { headers: { "Content-Type": "application/json" }, body: JSON.stringify(parameters) });
    return answer.json();
}
