// ground.mjs - the whole bot under run.sh, with the sandbox as its outside world.
//
// Settings come from the environment, as in `make check`, or from the file that
// AISHA_ENV names, or from build/run/env of a running `make run`.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));

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
    return { settings, origin: `https://127.0.0.1:${settings.HTTPS_PORT}`, url: `https://127.0.0.1:${settings.HTTPS_PORT}/sandbox` };
}
