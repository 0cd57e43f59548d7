// crawl.mjs - presses every button that a person is shown, and judges what comes of each.
//
// A crawler belongs to one person. What the person sees is a screen: the state of the dialog, a
// message, its buttons. Screens with the same state and the same kinds of buttons are one. A button is
// pressed on the first screen that has it; from where nothing is left to press the crawler walks
// along what it pressed before to the nearest screen with something left, and from nowhere says /menu.
//
// It waits for no time: an act is over when its updates are delivered and its tap is answered, when
// no job of the person is due, no order open, and no call for the chat waits to be sent.
import { buttonsOf, judgeMessage, judgeOutcome, judgeToast, judgeWayOn, rowOf } from "./judge.mjs";
import { until } from "./until.mjs";

const seenAtOnce = 16; // messages whose changes are noticed after an act
const standardContexts = 1; // screens on which the same button is pressed: more find more, and take minutes
const mostBarren = 60; // acts that press nothing new, before there is nothing new
const mostSeconds = 180; // of an act: more than any machine needs
const mostUnrests = 3; // acts whose end is not seen

// The same numbers for the same seed, from 0 to 1.
export function diceOf(seed) {
    let state = seed >>> 0;
    return () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let mixed = Math.imul(state ^ (state >>> 15), state | 1);
        mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
        return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
}

const nameOf = (tap) => tap.split(":").slice(0, 2).join(":");

// The button without what is this person's or this day's own: ids, names of styles, long numbers, dates.
export const kindOf = (tap) => tap.replace(/^(style:\w+):\D\w*/, "$1:*").replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "*").replace(/\d{4}-\d\d?(-\d\d?)?/g, "#").replace(/\d{3,}/g, "#");

// What jobs do for the person now. A look at FAL that is still to come changes nothing, and its
// orders are waited for by themselves.
const openWork = (id, { jobs, orders }) => `select
    ${jobs ? `(select count(*)::int from jobs j where j.user_id = u.id and j.state in ('queued', 'running')
        and j.run_at < now() + interval '5 seconds' and j.kind !~ '_(check|drop|forget)$')` : "0"}
    + ${orders ? `(select count(*)::int from image_generations g where g.user_id = u.id and g.status in ('pending', 'processing'))
    + (select count(*)::int from avatar_trainings t where t.user_id = u.id and t.status in ('pending', 'processing'))` : "0"} as open
    from users u where u.telegram_id = ${id}`;

export class Crawler {
    // own: words that the person may see again. ends: names of texts after which nothing has to lead on. inputs: by state, by kind of input, and "unexpected",
    // rows of { name, send }. most: how often a tap of this name may be pressed. seed: of the order.
    constructor({ ground, wire, tables, person, name, language, isAdmin = false, own = [], ends = [], inputs = {}, most = {}, seed = 1 }) {
        Object.assign(this, { ground, wire, tables, person, name, language, isAdmin, ends, inputs, most });
        this.ownLanguage = language;
        this.own = [`P${person.id}`, ...own];
        this.textNames = new Set(tables.texts.map((text) => text.name));
        this.commands = tables.commands.map((command) => command.name);
        this.dice = diceOf(seed);
        this.waitsFor = { jobs: true, orders: true };
        this.state = "idle";
        this.known = new Map(); // message id -> what it said when it was last looked at
        this.screens = new Map(); // name -> { keys: Set of actions, edges: Map of action -> screen, hasLeft }
        this.targets = new Map(); // action -> where it led to last, from whatever screen
        this.pressed = new Map(); // screen and action, and action alone -> how often
        this.presses = new Map(); // tap's name, or input's -> how often
        this.samples = new Map(); // row -> [{ message_id, data, state }]
        this.current = null; // the message with buttons that changed last
        this.asides = []; // others that changed with it
        this.fresh = new Set();
        this.stale = new Set();
        this.unanswered = this.unrests = this.lastRefused = 0;
        this.acts = 0;
        this.trail = [];
        this.complaints = [];
    }

    get about() {
        return { language: this.language, own: this.own, textNames: this.textNames };
    }

    complain(what) {
        for (const one of [what].flat()) {
            this.complaints.push(`${this.name}: ${one}\n    after ${this.trail.slice(-6).join(", ")}`);
            console.error(this.complaints.at(-1));
        }
    }

    // ------------------------------------------------------------ acts

    async session() {
        const bucket = String(this.person.id % 64).padStart(2, "0");
        const [state, queued] = await this.wire.redis("HMGET", `session:{b${bucket}}:${this.person.id}`, "s", "q");
        return { state: state || "idle", queued: Number(queued ?? 0) };
    }

    async isAtRest() {
        const { pending, unanswered } = await this.ground.control(`pending?user=${this.person.id}`);
        this.isAnswered = unanswered <= this.unanswered;
        if (pending || !this.isAnswered) return false;
        const [work] = await this.wire.sql(openWork(this.person.id, this.waitsFor));
        if (work?.open) {
            this.hadWork = true;
            return false;
        }
        return (await this.session()).queued === 0;
    }

    // A job is over in PostgreSQL a moment before the last of its calls waits in Redis.
    async rest() {
        this.hadWork = false;
        let times = 0;
        try {
            await until(async () => {
                times = await this.isAtRest() ? times + 1 : 0;
                return times > (this.hadWork ? 2 : 0);
            }, `${this.name} at rest`, mostSeconds);
        } catch (error) {
            const jobs = await this.wire.sql(`select kind, state, last_error from jobs j join users u on u.id = j.user_id where u.telegram_id = ${this.person.id} and j.state in ('queued', 'running')`);
            this.complain(`${error.message}; ${JSON.stringify(await this.session())} ${JSON.stringify(jobs)}`);
            this.unanswered = (await this.ground.control(`pending?user=${this.person.id}`)).unanswered;
            if (++this.unrests > mostUnrests) throw new Error(this.complaints.join("\n"));
        }
        this.state = (await this.session()).state;
        this.fresh.add(`state ${this.state}`);
    }

    // What the newest messages, and those from this one on, say now that they did not.
    async look(from = Infinity) {
        const ids = [...this.known.keys()], after = Math.min(from, ids.at(-seenAtOnce) ?? 0, ids.at(-1) ?? 0) - 1;
        const { messages } = await this.ground.control(`messages?user=${this.person.id}&after=${Math.max(0, after)}&limit=1000`);
        const there = new Set(messages.map((message) => message.message_id));
        const changes = [];
        for (const id of ids.filter((one) => one > after && !there.has(one))) {
            this.known.delete(id);
            changes.push({ message_id: id, isGone: true });
        }
        for (const message of messages) {
            const says = JSON.stringify([message.text, message.markup, message.media]);
            if (this.known.get(message.message_id) !== says && message.is_from_bot) changes.push(message);
            this.known.set(message.message_id, says);
        }
        this.newest = messages;
        return changes;
    }

    // One act of the person, to its end.
    async act(what, kind, body, { from, isStale = false } = {}) {
        this.trail.push(`${what} (${this.state})`);
        this.acts++;
        const { callback_id: callback } = await this.person.act(kind, body);
        this.language = (kind === "tap" && /^language:set:(\w+)/.exec(body.data)?.[1]) || this.language;
        await this.rest();
        const changes = await this.look(from);
        let toast = "";
        if (callback) {
            const [tap] = (await this.ground.control(`callbacks?user=${this.person.id}&id=${callback}`)).callbacks;
            toast = tap.answer?.text ?? "";
        }
        if (!toast && changes.length && changes.every((message) => message.isGone)) await this.seeMore(changes);
        const outcome = { kind, isStale, isAnswered: !callback || this.isAnswered, toast, changes, newest: this.newest, refusals: await this.refusals() };
        const isEnd = changes.some((message) => this.ends.some((name) => message.text === this.words(name)));
        this.complain([...judgeOutcome(outcome), ...judgeToast(toast, this.about), ...(isEnd ? [] : judgeWayOn(outcome, this.commands))]);
        this.take(changes);
        return { toast, changes };
    }

    // Where something was taken away without a word, something takes its place: that may be the work of a job that looks far
    // away first, and is not waited for by itself.
    async seeMore(changes) {
        await until(async () => {
            changes.push(...await this.look());
            return changes.some((message) => !message.isGone);
        }, `${this.name}: something in the place of what is gone`, mostSeconds).catch((error) => this.complain(error.message));
    }

    // What Telegram has refused in this chat since it was asked last.
    async refusals() {
        const { calls } = await this.ground.control(`calls?refused=1&after=${this.lastRefused}&limit=1000`);
        this.lastRefused = Math.max(this.lastRefused, ...calls.map((call) => call.id));
        return calls.filter((call) => call.parameters.includes(`"chat_id":${this.person.id}`)).map((call) => `${call.method}: ${call.result}`);
    }

    // Judges what changed, and goes on from there.
    take(changes) {
        const shown = changes.filter((message) => !message.isGone);
        for (const message of shown) this.complain(judgeMessage({ ...message, text: this.toPeople(message.text) }, this.about));
        const withButtons = shown.filter((message) => buttonsOf(message).length || message.kind === "invoice");
        for (const message of withButtons) this.keepSamples(message);
        if (this.current && changes.some((message) => message.isGone && message.message_id === this.current.message_id)) this.current = null;
        if (!withButtons.length) return;
        this.current = withButtons.at(-1);
        this.asides.push(...withButtons.slice(0, -1));
    }

    // What the model was asked is English for everybody.
    toPeople(text) {
        return (text ?? "").split(`${this.words("prompt_final")}\n`)[0];
    }

    // Buttons as they were drawn: for a tap when the screen has moved on.
    keepSamples(message) {
        for (const { callback_data: data } of buttonsOf(message)) {
            if (!data) continue;
            const name = nameOf(data), samples = this.samples.get(name) ?? [];
            samples.push({ message_id: message.message_id, data, state: this.state });
            this.samples.set(name, samples.slice(-8));
        }
    }

    async tap(message, data) {
        const row = rowOf(this.tables, this.state, "a tap", data), before = this.state;
        const { toast, changes } = await this.act(kindOf(data), "tap", { message_id: message.message_id, data }, { from: message.message_id });
        if (row) this.fresh.add(row);
        else this.complain(`a button of the screen meets no row in ${before}: ${data}`);
        const isNewest = message.message_id === this.newest.findLast((one) => one.is_from_bot && buttonsOf(one).length)?.message_id;
        if (isNewest && ["button_is_old", "thing_is_gone"].some((name) => toast === this.words(name))) this.complain(`a button of the newest screen is called out of date: ${data}`);
        return { toast, changes };
    }

    words(name) {
        return this.tables.texts.find((text) => text.name === name)[this.language];
    }

    async say(text) {
        const command = /^\/\w+/.exec(text)?.[0];
        const row = command ? `command ${command}` : rowOf(this.tables, this.state, "words");
        const isRefused = !this.isAdmin && this.tables.commands.some((one) => one.name === command && one.is_for_admins);
        if (row && !isRefused) this.fresh.add(row);
        if (!command && text.length > 2) this.own.push(text);
        return this.act(`"${text}"`, "text", { text });
    }

    async sendPhotos(files, caption = "") {
        const row = rowOf(this.tables, this.state, "a photo");
        if (row) this.fresh.add(row);
        return this.act(`${files.length} photos`, "files", { caption, files: files.map(({ name, type, bytes }) =>
            ({ kind: "photo", file_name: name, mime_type: type, bytes: bytes.toString("base64") })) });
    }

    async sendFile(kind, bytes, more = {}) {
        if (more.file_name) this.own.push(more.file_name, more.file_name.replace(/\.\w+$/, ""));
        return this.act(kind, kind, { bytes: bytes.toString("base64"), ...more });
    }

    // Presses the newest button of this beginning and ending, wherever it stands: "training:preset:…:fast".
    async press(wanted) {
        const [begin, end = ""] = wanted.split("…");
        const fits = ({ callback_data: data = "" }) => data.startsWith(begin) && data.endsWith(end);
        const message = await until(async () => (await this.person.messages()).findLast((one) => buttonsOf(one).some(fits)),
            `${this.name}: a button ${wanted} after ${this.trail.slice(-6).join(", ")}`, mostSeconds);
        return this.tap(message, buttonsOf(message).find(fits).callback_data);
    }

    // ------------------------------------------------------------ exploring

    nameOfScreen(message) {
        const kinds = new Set(buttonsOf(message).map((button) => button.callback_data ? nameOf(button.callback_data) : "link"));
        if (message.kind === "invoice") kinds.add("pay");
        return `${this.state}[${[...kinds].sort().join(" ")}]`;
    }

    screen(name) {
        if (!this.screens.has(name)) this.screens.set(name, { keys: new Set(), edges: new Map() });
        return this.screens.get(name);
    }

    hasRoom(name) {
        return (this.presses.get(name) ?? 0) < (this.most[name] ?? Infinity);
    }

    // What can be done on a screen: [{ key, name, run }]; the key is the same wherever it leads to the same.
    actionsOf(message) {
        const actions = new Map();
        for (const button of buttonsOf(message)) {
            const data = button.callback_data;
            if (data && !actions.has(kindOf(data))) actions.set(kindOf(data), { name: nameOf(data), row: rowOf(this.tables, this.state, "a tap", data), run: () => this.tap(message, data) });
        }
        if (message.kind === "invoice") actions.set("pay", { name: "pay", run: () => this.act("pay", "pay", { message_id: message.message_id }) });
        for (const input of this.inputsOf(this.state))
            actions.set(`${this.state} < ${input.name}`, { name: `${this.state} < ${input.name}`, contexts: 1, run: () => input.send(this) });
        return [...actions].map(([key, action]) => ({ key, ...action }));
    }

    // What a test gives for the state; else what its rows take, and what they do not.
    inputsOf(state) {
        if (this.inputs[state]) return this.inputs[state];
        const taken = this.tables.steps.filter((step) => step.from === state && step.input !== "a tap").flatMap((step) => this.inputs[step.input]);
        return [...taken, ...this.inputs.unexpected];
    }

    // A button that means something else in another state is one more.
    leftOn(message) {
        const screen = this.nameOfScreen(message), times = (key) => this.pressed.get(key) ?? 0;
        return this.actionsOf(message).filter(({ key, name, row, contexts = standardContexts }) =>
            !times(`${screen} ${key}`) && (times(key) < contexts || (row && !this.fresh.has(row))) && this.hasRoom(name));
    }

    async run(message, action) {
        const from = this.nameOfScreen(message);
        for (const key of [`${from} ${action.key}`, action.key]) this.pressed.set(key, (this.pressed.get(key) ?? 0) + 1);
        this.presses.set(action.name, (this.presses.get(action.name) ?? 0) + 1);
        this.noteScreen(message);
        try {
            await action.run();
        } catch (error) {
            if (!/control\/update: 400/.test(error.message)) throw error;
            this.current = null; // it went while others were looked at
        }
        if (this.current) {
            const to = this.noteScreen(this.current);
            this.screen(from).edges.set(action.key, to);
            this.targets.set(action.key, to);
        }
        await this.speakOwnLanguage();
    }

    // Whoever has chosen the other language goes back to their own.
    async speakOwnLanguage() {
        if (this.language === this.ownLanguage) return;
        await this.say("/language");
        await this.press(`language:set:${this.ownLanguage}`);
    }

    noteScreen(message) {
        const name = this.nameOfScreen(message), screen = this.screen(name);
        for (const { key } of this.actionsOf(message)) screen.keys.add(key);
        screen.hasLeft = this.leftOn(message).length > 0;
        return name;
    }

    // Where the buttons of a screen lead to, as far as they were pressed anywhere: [[action, screen]].
    edgesOf(name) {
        const { keys, edges } = this.screen(name);
        return [...keys].map((key) => [key, edges.get(key) ?? this.targets.get(key)]).filter(([, to]) => to);
    }

    // For judgeWaysHome.
    get map() {
        return new Map([...this.screens.keys()].map((name) => [name, { ways: new Set(this.edgesOf(name).map(([, to]) => to)) }]));
    }

    // The first step of the shortest known way to a screen with something left.
    wayOn() {
        const start = this.nameOfScreen(this.current), first = new Map([[start, null]]), row = [start];
        for (let name; (name = row.shift()); ) {
            if (name !== start && this.screen(name).hasLeft) return first.get(name);
            for (const [key, to] of this.edgesOf(name)) {
                if (first.has(to) || this.closed.has(`${name} ${key}`)) continue;
                first.set(to, first.get(name) ?? key);
                row.push(to);
            }
        }
        return null;
    }

    pick(actions) {
        return actions[Math.floor(this.dice() * actions.length)];
    }

    // Until nothing is left that the crawler can come to; at most so many acts.
    async explore(mostActs = 3000) {
        const end = this.acts + mostActs;
        let barren = 0; // acts that only led on, one after another
        await this.say("/menu");
        this.home = this.nameOfScreen(this.current);
        this.closed = new Set(); // steps of a way that could not be gone
        while (this.acts < end && barren < mostBarren) {
            if (!this.current) await this.say("/menu");
            const left = this.leftOn(this.current), name = this.nameOfScreen(this.current);
            if (left.length) {
                barren = 0;
                await this.run(this.current, this.pick(left));
                continue;
            }
            this.screen(name).hasLeft = false;
            if (this.turnAside()) continue;
            const key = this.wayOn(), action = key && this.actionsOf(this.current).find((one) => one.key === key);
            barren++;
            if (action && this.hasRoom(action.name)) {
                await this.run(this.current, action);
                continue;
            }
            if (key) this.closed.add(`${name} ${key}`);
            else if (name === this.home) return;
            await this.say("/menu");
        }
    }

    // To a message that changed together with the current one and still stands there.
    turnAside() {
        for (let aside; (aside = this.asides.pop()); ) {
            if (this.known.get(aside.message_id) !== JSON.stringify([aside.text, aside.markup, aside.media])) continue;
            if (!this.leftOn(aside).length) continue;
            this.current = aside;
            return true;
        }
        return false;
    }

    // ------------------------------------------------------------ stale taps

    // A button of each row, pressed when its screen shows other things by now, or below another screen when its own
    // is gone. Whatever comes of it is
    // judged like anything else; that it is called out of date is right.
    async pressStale(names) {
        for (const name of names) {
            const all = this.samples.get(name), samples = all.filter((one) => this.known.has(one.message_id));
            let sample = samples.find((one) => !this.known.get(one.message_id).includes(JSON.stringify(one.data))) ?? samples[0];
            if (!sample || this.state !== "idle" || this.known.get(sample.message_id)?.includes(JSON.stringify(sample.data))) await this.say("/menu");
            sample ??= { ...all.at(-1), message_id: this.current.message_id };
            this.stale.add(rowOf(this.tables, this.state, "a tap", sample.data) ?? `old ${name}`);
            await this.act(`stale ${kindOf(sample.data)}`, "tap", { message_id: sample.message_id, data: sample.data, forged: true }, { from: sample.message_id, isStale: true });
            await this.speakOwnLanguage();
        }
    }
}
