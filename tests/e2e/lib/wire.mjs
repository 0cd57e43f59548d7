// wire.mjs - Redis and PostgreSQL of a ground by one connection each, for tests that ask many times
// a second.
import { spawn } from "node:child_process";
import { connect } from "node:net";

// What Redis answers to one command, from `at` on: [value, next], or nothing while some is missing.
function readReply(bytes, at = 0) {
    const end = bytes.indexOf("\r\n", at);
    if (end < 0) return null;
    const kind = String.fromCharCode(bytes[at]), line = bytes.toString("utf8", at + 1, end);
    let next = end + 2;
    if (kind === "$") {
        if (line === "-1") return [null, next];
        const stop = next + Number(line);
        return bytes.length < stop + 2 ? null : [bytes.toString("utf8", next, stop), stop + 2];
    }
    if (kind === "*") {
        const items = [];
        for (let left = Number(line); left > 0; left--) {
            const item = readReply(bytes, next);
            if (!item) return null;
            items.push(item[0]);
            next = item[1];
        }
        return [items, next];
    }
    return [kind === "-" ? new Error(line) : line, next];
}

class Redis {
    constructor(path) {
        this.waiting = [];
        this.bytes = Buffer.alloc(0);
        this.socket = connect(path);
        this.socket.on("data", (piece) => {
            this.bytes = Buffer.concat([this.bytes, piece]);
            for (let reply; this.waiting.length && (reply = readReply(this.bytes)); ) {
                this.bytes = this.bytes.subarray(reply[1]);
                const { done, fail } = this.waiting.shift();
                (reply[0] instanceof Error ? fail : done)(reply[0]);
            }
        });
        this.socket.on("error", (error) => this.waiting.splice(0).forEach(({ fail }) => fail(error)));
    }

    ask(...words) {
        const all = words.map((word) => `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`).join("");
        this.socket.write(`*${words.length}\r\n${all}`);
        return new Promise((done, fail) => this.waiting.push({ done, fail }));
    }
}

const mark = "----";

// A select gives its rows as objects; whatever else is run and says nothing.
class Postgres {
    constructor(settings) {
        this.waiting = [];
        this.out = "";
        const psql = `exec psql -XAtq -h '${settings.PGHOST}' -U postgres -d aisha 2>&1`;
        this.child = spawn("sh", ["-c", psql], { env: { ...process.env, PGOPTIONS: "-c client_min_messages=error" }, stdio: ["pipe", "pipe", "inherit"] });
        this.child.stdout.on("data", (piece) => {
            this.out += piece;
            for (let at; (at = this.out.indexOf(`${mark}\n`)) >= 0; ) {
                const text = this.out.slice(0, at).trim();
                this.out = this.out.slice(at + mark.length + 1);
                this.waiting.shift()(text);
            }
        });
    }

    async ask(statement) {
        const isSelect = /^\s*select/i.test(statement);
        const asked = isSelect ? `select coalesce(json_agg(r), '[]') from (${statement}) r` : statement;
        const text = await new Promise((done) => {
            this.waiting.push(done);
            this.child.stdin.write(`${asked};\n\\echo ${mark}\n`);
        });
        if (isSelect && text.startsWith("[")) return JSON.parse(text);
        if (text) throw new Error(`${text}\n${asked}`);
        return [];
    }
}

export class Wire {
    constructor(ground) {
        const path = ground.settings.REDIS_URL.replace(/^unix:\/\//, "").replace(/\?.*/, "");
        this.redisLine = new Redis(path);
        this.postgresLine = new Postgres(ground.settings);
    }

    redis(...words) {
        return this.redisLine.ask(...words);
    }

    sql(statement) {
        return this.postgresLine.ask(statement);
    }

    end() {
        this.redisLine.socket.destroy();
        this.postgresLine.child.stdin.end();
    }
}
