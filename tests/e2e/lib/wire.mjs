// wire.mjs - Redis and PostgreSQL of a ground by one connection each, for tests that ask many times
// a second: while they wait for something, that is all of them.
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

const mark = "----", idleMs = 500;

// As psql reads the value of a variable.
const quoted = (value) => `'${String(value).replaceAll("\\", "\\\\").replaceAll("'", "''").replaceAll("\n", "\\n")}'`;

// Statements one after another, as superuser, on one connection: a psql of its own for each would cost more than what
// most of them ask. It is begun when it is needed and ends soon after, so as not to be in the way of a database
// that is put in the place of this one, or of the end of a test.
export class Postgres {
    constructor(host) {
        this.host = host;
        this.waiting = [];
    }

    // The rows of a select as objects; whatever else is run says nothing. Values are put in by name, as :'name'.
    async ask(statement, values = {}) {
        const isSelect = /^\s*select/i.test(statement);
        const names = Object.entries(values);
        const text = [
            ...names.map(([name, value]) => `\\set ${name} ${quoted(value)}`),
            isSelect ? `select coalesce(json_agg(r), '[]') from (${statement}) r` : statement, ";",
            ...names.map(([name]) => `\\unset ${name}`), `\\echo ${mark}\n`,
        ].join("\n");
        const out = await new Promise((done, fail) => {
            this.waiting.push({ text, done, fail });
            this.askNext();
        });
        return out ? JSON.parse(out) : [];
    }

    askNext() {
        if (this.asked || !this.waiting.length) return;
        this.asked = this.waiting.shift();
        clearTimeout(this.idle);
        this.line ??= this.begin();
        this.line.child.stdin.write(this.asked.text);
    }

    begin() {
        const words = ["-XAtq", "-v", "ON_ERROR_STOP=1", "-h", this.host, "-U", "postgres", "-d", "aisha"];
        const child = spawn("psql", words, { env: { ...process.env, PGOPTIONS: "-c client_min_messages=error" } });
        const line = { child, out: "", errors: "", answered: 0 };
        child.stdin.on("error", () => {}); // why it has ended is told by its end
        child.on("error", (error) => (line.errors += error.message));
        child.stderr.setEncoding("utf8").on("data", (piece) => (line.errors += piece));
        child.stdout.setEncoding("utf8").on("data", (piece) => {
            line.out += piece;
            if (line.out.endsWith(`${mark}\n`)) this.answer(line);
        });
        child.on("close", (status) => this.over(line, status));
        return line;
    }

    answer(line) {
        const { done } = this.asked, text = line.out.slice(0, -mark.length - 1).trim();
        this.asked = null;
        line.out = "";
        line.answered++;
        this.idle = setTimeout(() => this.end(), idleMs);
        done(text);
        this.askNext();
    }

    // A connection that broke while nobody asked is no news: the question goes to a new one.
    over(line, status) {
        const connectionLost = 2;
        if (this.line !== line) return;
        this.line = null;
        const { asked } = this;
        this.asked = null;
        if (asked && status === connectionLost && line.answered) this.waiting.unshift(asked);
        else asked?.fail(new Error(`psql: ${line.errors.trim() || `ended with ${status}`}\n${asked.text}`));
        this.askNext();
    }

    end() {
        const { line } = this;
        clearTimeout(this.idle);
        this.line = null;
        line?.child.stdin.end();
    }
}

export class Wire {
    constructor(ground) {
        const path = ground.settings.REDIS_URL.replace(/^unix:\/\//, "").replace(/\?.*/, "");
        this.redisLine = new Redis(path);
        this.postgresLine = new Postgres(ground.settings.PGHOST);
    }

    redis(...words) {
        return this.redisLine.ask(...words);
    }

    sql(statement) {
        return this.postgresLine.ask(statement);
    }

    end() {
        this.redisLine.socket.destroy();
        this.postgresLine.end();
    }
}
