// aisha.mjs - the operator's command, run with the settings of a ground.
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { root } from "./ground.mjs";

const program = join(process.env.BUILD ?? join(root, "build/debug"), "bin/aisha");

// changes: settings that are other than the ground's; null takes one away.
export function operator(ground) {
    return (words, changes = {}) => {
        const environment = { ...process.env, ...ground.settings, ...changes };
        for (const [name, value] of Object.entries(changes)) if (value === null) delete environment[name];
        const { status, stdout, stderr } = spawnSync(program, words.map(String), { env: environment, encoding: "utf8" });
        return { status, out: stdout, err: stderr, json: () => JSON.parse(stdout) };
    };
}
