// relay.mjs - stands between two parts of the bot and can fail like a network:
// refuse, fall silent, or stop the one command that a test waits for.
//
//     const relay = new Relay({ path: "/…/redis.sock" }, () => ({ path: "/…/real.sock" }));
//     await relay.open();
//     await relay.refuse();   // nobody listens, what was open is cut off
//     relay.fallSilent();     // connects, takes everything, says nothing
//     await relay.open();     // as if nothing had been
import { spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { connect, createServer } from "node:net";

export class Relay {
    // at: {path} or {port, host}; to: called for each connection, may be a promise.
    constructor(at, to) {
        this.at = at;
        this.to = to;
        this.pairs = new Set();
        this.isSilent = false;
        this.server = null;
    }

    async open() {
        this.isSilent = false;
        if (!this.server) {
            if (this.at.path) rmSync(this.at.path, { force: true });
            this.server = createServer({ allowHalfOpen: true }, (near) => this.accept(near));
            await new Promise((done, failed) => this.server.once("error", failed).listen(this.at, done));
            if (!this.at.path) this.at.port = this.server.address().port;
        }
        for (const pair of this.pairs) this.resume(pair);
    }

    async refuse() {
        const { server } = this;
        this.server = null;
        for (const pair of this.pairs) this.cut(pair);
        if (server) await new Promise((done) => server.close(done));
    }

    fallSilent() {
        this.isSilent = true;
        for (const pair of this.pairs) {
            pair.near.pause();
            pair.far?.pause();
        }
    }

    accept(near) {
        const pair = { near, far: null };
        this.pairs.add(pair);
        near.pause();
        near.on("error", () => this.cut(pair)).on("close", () => this.cut(pair));
        if (!this.isSilent) this.resume(pair);
    }

    async resume(pair) {
        if (!pair.far) {
            const target = await this.to();
            if (pair.isCut || pair.far) return;
            pair.far = connect({ ...target, allowHalfOpen: true });
            this.join(pair);
        }
        if (this.isSilent) return;
        pair.near.resume();
        pair.far.resume();
    }

    join(pair) {
        const { near, far } = pair;
        far.on("error", () => this.cut(pair)).on("close", () => this.cut(pair));
        near.on("data", (bytes) => this.forward(pair, bytes)).on("end", () => far.end());
        far.on("data", (bytes) => this.answer(pair, bytes)).on("end", () => near.end());
        if (this.isSilent) far.pause();
    }

    forward(pair, bytes) {
        pair.far.write(bytes);
    }

    answer(pair, bytes) {
        pair.near.write(bytes);
    }

    cut(pair) {
        if (pair.isCut) return;
        pair.isCut = true;
        this.pairs.delete(pair);
        pair.near.destroy();
        pair.far?.destroy();
    }

    async close() {
        await this.refuse();
    }
}

// Where a command of Redis's protocol ends: {words, end}, or null while it is not whole.
function readCommand(bytes, at) {
    const line = (from) => {
        const end = bytes.indexOf("\r\n", from);
        return end < 0 ? null : { number: Number(bytes.toString("latin1", from + 1, end)), next: end + 2 };
    };
    if (at >= bytes.length) return null;
    const head = line(at);
    if (!head || bytes[at] !== 42) return null;
    const words = [];
    let next = head.next;
    for (let i = 0; i < head.number; i++) {
        const size = next < bytes.length ? line(next) : null;
        if (!size || size.next + size.number + 2 > bytes.length) return null;
        words.push(bytes.subarray(size.next, size.next + size.number));
        next = size.next + size.number + 2;
    }
    return { words, end: next };
}

// A relay that reads what clients ask of Redis and can hold one command back.
export class RedisRelay extends Relay {
    // Resolves with {words, pid(), release(), drop()} of the next command that fits;
    // what its client sends afterwards waits behind it.
    hold(fits) {
        return new Promise((found) => (this.wanted = { fits, found }));
    }

    forget() {
        this.wanted = null;
    }

    forward(pair, bytes) {
        pair.kept = pair.kept?.length ? Buffer.concat([pair.kept, bytes]) : bytes;
        if (!pair.isHeld) this.pass(pair);
    }

    pass(pair) {
        let at = 0, command;
        while ((command = readCommand(pair.kept, at))) {
            if (this.wanted?.fits(command.words)) {
                const { found } = this.wanted;
                this.wanted = null;
                pair.isHeld = true;
                if (at) pair.far.write(pair.kept.subarray(0, at));
                pair.kept = pair.kept.subarray(at);
                found(this.held(pair, command.words.map(String)));
                return;
            }
            at = command.end;
        }
        if (at) pair.far.write(pair.kept.subarray(0, at));
        pair.kept = pair.kept.subarray(at);
    }

    held(pair, words) {
        return {
            words,
            pid: () => peerPid(pair.near),
            release: () => {
                pair.isHeld = false;
                if (!pair.isCut) this.pass(pair);
            },
            drop: () => this.cut(pair),
        };
    }
}

// Messages of PostgreSQL's protocol that are whole: calls each(type, body, end) and answers where the rest begins.
function readMessages(bytes, start, each) {
    let at = start;
    while (bytes.length - at >= 5) {
        const end = at + 1 + bytes.readInt32BE(at + 1);
        if (end > bytes.length) break;
        if (each(String.fromCharCode(bytes[at]), bytes.subarray(at + 5, end), at, end) === false) return at;
        at = end;
    }
    return at;
}

// A relay that knows which prepared statements travel through it, and can lose the connection before
// one of them or after its answer. A transaction is known by the names of its statements so far.
export class PostgresRelay extends Relay {
    constructor(at, to) {
        super(at, to);
        this.transactions = []; // names of the statements of each that was committed
        this.points = []; // {path, place: "before" | "after", kills, isAnyDeath: whoever kills, isHit, isOver}
    }

    forward(pair, bytes) {
        if (pair.isLost) return;
        pair.asked = pair.asked?.length ? Buffer.concat([pair.asked, bytes]) : bytes;
        pair.path ??= [];
        let at = 0;
        if (!pair.isBegun) { // the first message has no type
            if (pair.asked.length < 4 || pair.asked.length < pair.asked.readInt32BE(0)) return;
            at = pair.asked.readInt32BE(0);
            pair.isBegun = true;
        }
        const end = readMessages(pair.asked, at, (type, body) => type !== "B" || this.passes(pair, body));
        if (end) pair.far.write(pair.asked.subarray(0, end));
        pair.asked = pair.asked.subarray(end);
        if (pair.lost && !pair.isLost) this.lose(pair, pair.lost);
    }

    // A statement is about to run; false: it never will.
    passes(pair, body) {
        const begin = body.indexOf(0) + 1;
        const name = body.toString("latin1", begin, body.indexOf(0, begin));
        if (name === "begin") pair.path = [];
        pair.path = [...pair.path, name];
        const path = pair.path.join(" ");
        const fits = (place) => this.points.find((point) => !point.isHit && point.path === path && point.place === place);
        pair.lost = fits("before");
        if (!pair.lost) pair.last = pair.last ?? fits("after");
        return !pair.lost;
    }

    // What the server says goes on when it is known not to be the answer that is to be lost.
    answer(pair, bytes) {
        pair.said = pair.said?.length ? Buffer.concat([pair.said, bytes]) : bytes;
        const end = readMessages(pair.said, 0, (type, body) => {
            if (type !== "Z") return true;
            if (pair.last) return false;
            if (body.toString() !== "I") return true; // inside of a transaction
            if (pair.path?.at(-1) === "commit") this.transactions.push(pair.path);
            pair.path = [];
            return true;
        });
        if (pair.last && end < pair.said.length) this.lose(pair, pair.last);
        if (pair.last || pair.isLost || !end) return;
        pair.near.write(pair.said.subarray(0, end));
        pair.said = pair.said.subarray(end);
    }

    // A client that dies before it has its answer is a death as good as one by our hand.
    cut(pair) {
        if (!pair.isCut && pair.last?.isAnyDeath) pair.last.isHit = true;
        super.cut(pair);
    }

    async lose(pair, point) {
        pair.isLost = true;
        point.isHit = true;
        if (point.kills) {
            pair.near.pause();
            const pid = await peerPid(pair.near);
            try {
                if (!pid) throw new Error("nobody is there");
                process.kill(pid, "SIGKILL");
            } catch {
                point.isHit = Boolean(point.isAnyDeath); // somebody else was faster
            }
            point.isOver = true;
        }
        this.cut(pair);
    }
}

// Whose end of a unix socket it is; 0 when it was closed meanwhile. Node cannot ask; perl can, about a
// socket it is given.
async function peerPid(socket) {
    if (socket.destroyed) return 0;
    const ask = "use Socket; open(my $s, '+<&=3') or die; "
        + "print +(unpack 'iii', getsockopt($s, SOL_SOCKET, 17))[0]"; // SO_PEERCRED
    return new Promise((done, failed) => {
        const child = spawn("perl", ["-e", ask], { stdio: ["ignore", "pipe", "inherit", socket] });
        let text = "";
        child.stdout.on("data", (piece) => (text += piece));
        child.on("error", failed).on("close", () => done(Number(text)));
    });
}
