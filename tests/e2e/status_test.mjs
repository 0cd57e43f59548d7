// status_test.mjs - the status page as an admin meets it: the link from the
// chat, the page in Chromium, and everybody who must not get in.
import assert from "node:assert/strict";
import { createHash, createHmac, randomBytes, randomUUID } from "node:crypto";
import { after, before, test } from "node:test";
import { openBrowser } from "./lib/browser.mjs";
import { findGround, OwnGround } from "./lib/ground.mjs";
import { Person } from "./lib/person.mjs";
import { until } from "./lib/until.mjs";

const ground = findGround();
const admin = Number(ground.settings.TELEGRAM_ADMIN_IDS.split(",")[0]);
let browser;

before(async () => {
    browser = await openBrowser();
});

after(() => browser?.close());

async function open(path, { width = 1280, scheme = "light", javaScriptEnabled = true, cookie } = {}) {
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme, ignoreHTTPSErrors: true, javaScriptEnabled });
    if (cookie) {
        const [name, value] = cookie.split("=");
        await context.addCookies([{ name, value, url: ground.origin, secure: true, httpOnly: true, sameSite: "Strict" }]);
    }
    const page = await context.newPage();
    page.complaints = [];
    page.on("pageerror", (error) => page.complaints.push(String(error)));
    page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) page.complaints.push(message.text());
    });
    await page.goto(`${ground.origin}${path}`);
    return page;
}

// The address that the bot writes under its answer to /admin.
async function linkFromChat() {
    const person = new Person(ground, admin);
    await ground.control("person", { id: admin, first_name: "Admin", language_code: "en" });
    const known = new Set((await person.messages()).map((message) => message.message_id));
    await person.say("/admin");
    const message = await person.see((one) => !known.has(one.message_id) && one.markup);
    const url = message.markup.inline_keyboard.flat().find((button) => button.url).url;
    assert.ok(url.startsWith(`${ground.settings.PUBLIC_URL}/status/login?token=`), url);
    return url.slice(ground.settings.PUBLIC_URL.length);
}

// A link as the bot stores it, for somebody.
async function linkFor(id, on = ground) {
    const token = randomBytes(32).toString("hex");
    const hash = createHash("sha256").update(token).digest("hex");
    await on.sql("insert into admin_links (token_sha256, telegram_id, expires_at) values (decode(:'hash', 'hex'), :id, now() + interval '5 minutes');", { hash, id });
    return token;
}

const form = { "Content-Type": "application/x-www-form-urlencoded" };

function post(path, fields, { cookie, on = ground } = {}) {
    return on.ask(path, { method: "POST", headers: { ...form, ...(cookie ? { Cookie: cookie } : {}) }, body: new URLSearchParams(fields).toString() });
}

function see(cookie, on = ground) {
    return on.ask("/status", { headers: cookie ? { Cookie: cookie } : {} });
}

const part = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

function token(header, claims, secret = ground.settings.JWT_SECRET) {
    const text = `${part(header)}.${part(claims)}`;
    return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

// A session as a login makes it. Logins themselves are rationed by nginx.
async function signIn(on = ground) {
    const id = randomUUID(), now = Math.floor(Date.now() / 1000);
    await on.sql("insert into admin_sessions (id, telegram_id, csrf, expires_at) values (:'id', :admin, :'csrf', now() + interval '1 hour');",
        { id, admin, csrf: randomBytes(16).toString("hex") });
    return `__Host-aisha=${token({ alg: "HS256", typ: "JWT" }, { sub: admin, sid: id, iat: now, exp: now + 900 }, on.settings.JWT_SECRET)}`;
}

test("the link in the chat opens the page, once", async () => {
    const path = await linkFromChat();
    for (let i = 0; i < 2; i++) assert.equal((await ground.ask(path)).status, 200, "looking at a link does not use it");

    const page = await open(path);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.waitForURL(`${ground.origin}/status`);
    for (const title of ["Health", "Today", "Coins", "Queues", "Outbox", "Open orders", "Jobs in flight", "Jobs given up", "Updates given up"])
        await page.getByRole("heading", { name: title }).waitFor();

    const [cookie] = await page.context().cookies();
    assert.deepEqual({ name: cookie.name, path: cookie.path, secure: cookie.secure, httpOnly: cookie.httpOnly, sameSite: cookie.sameSite },
        { name: "__Host-aisha", path: "/", secure: true, httpOnly: true, sameSite: "Strict" });
    assert.ok(cookie.expires - Date.now() / 1000 <= 901);

    const first = await page.locator("main time").first().textContent();
    await page.waitForFunction((text) => document.querySelector("main time").textContent !== text, first);
    assert.equal(await page.locator("#live").textContent(), "Live");
    assert.deepEqual(page.complaints, []);

    assert.equal((await post("/status/login", { token: new URLSearchParams(path.split("?")[1]).get("token") })).status, 403);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Signed out" }).waitFor();
    assert.equal((await see(`${cookie.name}=${cookie.value}`)).status, 401, "the token outlives the session, and opens nothing");
    await page.context().close();
});

test("the page is whole without scripts and fits a telephone", async () => {
    for (const scheme of ["light", "dark"]) {
        const page = await open("/status", { width: 390, scheme, javaScriptEnabled: false, cookie: await signIn() });
        await page.getByRole("heading", { name: "Health" }).waitFor();
        const wide = await page.locator("body *").evaluateAll((all) => all.filter((one) => one.getBoundingClientRect().right > innerWidth + 0.5).map((one) => one.outerHTML.slice(0, 80)));
        assert.deepEqual(wide, []);
        await page.context().close();
    }
});

test("nobody else gets in", async () => {
    const cookie = await signIn();
    const good = cookie.split("=")[1];
    const claims = JSON.parse(Buffer.from(good.split(".")[1], "base64url"));
    const ours = { alg: "HS256", typ: "JWT" };
    assert.equal((await see(`__Host-aisha=${token(ours, claims)}`)).status, 200, "what follows differs from this in one thing each");

    const others = {
        "no cookie": undefined,
        "another name": `aisha=${good}`,
        "no signature": `__Host-aisha=${part({ alg: "none" })}.${part(claims)}.`,
        "another algorithm": `__Host-aisha=${token({ alg: "HS512", typ: "JWT" }, claims)}`,
        "another secret": `__Host-aisha=${token(ours, claims, "x".repeat(32))}`,
        "over": `__Host-aisha=${token(ours, { ...claims, exp: Math.floor(Date.now() / 1000) - 1 })}`,
        "another person": `__Host-aisha=${token(ours, { ...claims, sub: admin + 1 })}`,
        "another session": `__Host-aisha=${token(ours, { ...claims, sid: "00000000-0000-4000-8000-000000000000" })}`,
    };
    for (const [what, header] of Object.entries(others)) assert.equal((await see(header)).status, 401, what);

    await ground.sql("update admin_sessions set revoked_at = now() where id = :'id';", { id: claims.sid });
    assert.equal((await see(cookie)).status, 401, "revoked");
    const stranger = await post("/status/login", { token: await linkFor(admin + 1) });
    assert.equal(stranger.status, 403, "who is no admin any more cannot use an old link");
    assert.equal(stranger.headers["set-cookie"], undefined);
});

test("/admin tells a stranger nothing", async () => {
    const person = await Person.meet(ground);
    await person.say("/admin");
    await ground.settled();
    await until(async () => (await person.messages()).length > 0, "an answer");
    assert.ok((await person.messages()).every((message) => !JSON.stringify(message).includes("/status/login")));
    assert.equal((await ground.row("select count(*)::int as links from admin_links where telegram_id = :id", { id: person.id })).links, 0);
});

test("what changes something wants the token of the session", async () => {
    const cookie = await signIn();
    const csrf = /name="csrf" value="([0-9a-f]{32})"/.exec((await see(cookie)).text)[1];
    for (const fields of [{}, { csrf: "" }, { csrf: `${csrf}0` }, { csrf: "0".repeat(32) }])
        assert.equal((await post("/status/logout", fields, { cookie })).status, 403);
    assert.equal((await ground.ask("/status/logout", { headers: { Cookie: cookie } })).status, 405);
    assert.equal((await see(cookie)).status, 200);
    assert.equal((await post("/status/logout", { csrf }, { cookie })).status, 200);
    assert.equal((await see(cookie)).status, 401);
});

test("pages are kept by nobody and load nothing foreign", async () => {
    for (const answer of [await see(), await see(await signIn()), await ground.ask("/status/login?token=1")]) {
        assert.equal(answer.headers["cache-control"], "no-store");
        assert.equal(answer.headers["referrer-policy"], "no-referrer");
        const policy = answer.headers["content-security-policy"];
        for (const rule of ["default-src 'none'", "style-src 'self'", "script-src 'self'", "connect-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"])
            assert.ok(policy.includes(rule), `${rule} in ${policy}`);
        assert.ok(!policy.includes("unsafe"), policy);
    }
    assert.equal((await ground.ask("/status/nothing")).status, 404);
});

test("the page tells what is down, and what of it is not known", async () => {
    const own = await OwnGround.start("status", { only: "postgres redis nginx bot" });
    try {
        const cookie = await signIn(own);
        assert.match((await see(cookie, own)).text, /none is at work: nothing is sent or made/);

        await own.without("redis", "SIGKILL", async () => {
            const { status, text } = await see(cookie, own);
            assert.equal(status, 200);
            assert.match(text, /href="#health">Redis: /);
            assert.match(text, /its length is not known/);
            assert.match(text, /id="coins"/);
        });
        await own.without("postgres", "SIGINT", async () => {
            const down = await until(async () => {
                const answer = await see(cookie, own);
                return answer.status === 200 && !answer.text.includes("Sign out") && answer.text;
            }, "a page that knows PostgreSQL to be away");
            assert.match(down, /href="#health">PostgreSQL: /);
            assert.doesNotMatch(down, /id="coins"|id="today"|not spoken to yet/);
            assert.equal((await post("/status/login", { token: "0".repeat(64) }, { on: own })).status, 503);
        });
        await until(async () => /id="coins"/.test((await see(cookie, own)).text), "the whole page again");
    } finally {
        await own.end();
    }
});
