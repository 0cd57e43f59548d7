// faults.mjs - the plan of what breaks, one thing after another under load.
import { commitScriptSha, pause, until } from "./ground.mjs";

// What the calls of the moment know: which bot, which update, whether both commits were told apart.
export class Faults {
    constructor(ground, mix) {
        this.ground = ground;
        this.mix = mix;
        this.events = []; // {name, from, to, kills, between}
    }

    async recovered(event) {
        await until(() => this.ground.allRun(), `everything runs again after ${event.name}`, 180);
        event.to = Date.now();
    }

    begin(name, more = {}) {
        const event = { name, from: Date.now(), kills: 0, between: 0, ...more };
        this.events.push(event);
        return event;
    }

    kill(event, pid) {
        process.kill(pid, "SIGKILL");
        event.kills++;
    }

    // -- the kill that the two commits are built for --

    async betweenCommits(feed) {
        const event = this.begin("bot, between its two commits");
        const { Redis } = this.ground.relays;
        const wanted = Redis.hold((words) => String(words[0]).toUpperCase() === "EVALSHA" && String(words[1]) === commitScriptSha && String(words[9]) === "1");
        await feed();
        const held = await Promise.race([wanted, pause(60000)]);
        if (!held) throw new Error("no writing turn came to its second commit");
        const update = held.words[7], done = held.words[4];
        const [pid, rows] = await Promise.all([held.pid(),
            this.ground.sql(`select 1 from turns where update_id = ${Number(update)} and outcome is not null`)]);
        if (rows.length === 1 && this.ground.bots().includes(pid)) {
            this.kill(event, pid);
            held.drop();
            const isDone = await this.ground.redis("HEXISTS", done, `u${update}`);
            if (isDone === "0") event.between++;
            event.update = Number(update);
        } else {
            held.release();
        }
        await this.recovered(event);
    }

    // -- kills at any moment --

    async bot(feed) {
        const event = this.begin("bot");
        await feed();
        const bots = this.ground.bots();
        if (bots.length) this.kill(event, bots[this.events.length % bots.length]);
        await this.recovered(event);
    }

    async service(name, feed) {
        const event = this.begin(name.replace(/-\d/, ""));
        await feed();
        const { pid } = await until(() => this.ground.kept(name), `${name} runs`);
        this.kill(event, pid);
        await until(() => ![undefined, pid].includes(this.ground.kept(name)?.pid), `${name} runs again`, 180);
        await this.recovered(event);
    }

    // One backend that dies takes all of them with it; PostgreSQL starts them anew.
    async backend(feed) {
        const event = this.begin("PostgreSQL backend");
        await feed();
        const rows = await this.ground.sql("select pid from pg_stat_activity where usename in ('aisha_bot', 'aisha_worker') order by state, pid");
        if (rows.length) this.kill(event, rows[0].pid);
        await this.recovered(event);
    }

    // -- somebody is away --

    async away(party, how, seconds, feed) {
        const event = this.begin(`${party} ${how}`, { seconds });
        const relay = this.ground.relays[party];
        await feed(0.3);
        if (how === "refused") await relay.refuse();
        else relay.fallSilent();
        const until_ms = Date.now() + seconds * 1000;
        await feed(0.7);
        await pause(Math.max(0, until_ms - Date.now()));
        await relay.open();
        await this.recovered(event);
    }
}
