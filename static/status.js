// Fetches the page again every few seconds and puts its main part in the place
// of the one that is shown. Nothing is fetched while nobody looks.

const PERIOD_MS = 5000;
const live = document.getElementById("live");
let isOver = false;

function isBeingRead() {
    const selection = document.getSelection();
    return selection && !selection.isCollapsed;
}

// Whoever is about to press a button keeps it.
function isBeingUsed() {
    return document.activeElement?.closest("main form") != null;
}

// A link of the list at the top keeps the focus that it has.
function replaceMain(fresh) {
    const old = document.querySelector("main");
    const focused = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    old.replaceWith(document.adoptNode(fresh));
    if (focused) fresh.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

// Said only when it changes, because a screen reader reads it aloud.
function say(words) {
    if (live.textContent !== words) live.textContent = words;
}

async function refresh() {
    if (document.hidden || isBeingRead() || isBeingUsed()) return;
    const answer = await fetch("/status", { cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (answer.status === 401) {
        isOver = true;
        say("The session is over. Send /admin to the bot.");
        return;
    }
    if (!answer.ok) throw new Error(`answer ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const main = page.querySelector("main");
    if (!main) throw new Error("no page");
    replaceMain(main);
    say("Live");
}

async function run() {
    try {
        await refresh();
    } catch {
        say("The bot does not answer; this is what it said last.");
    }
    if (!isOver) setTimeout(run, PERIOD_MS);
}

say("Live");
setTimeout(run, PERIOD_MS);
