// browser.mjs - Debian's Chromium by playwright-core, and the page as a person sees it.
import { chromium } from "playwright-core";

const switches = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

// more: switches of one test alone.
export function openBrowser(more = []) {
    return chromium.launch({
        executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
        ignoreDefaultArgs: ["--headless"],
        args: [...switches, ...more],
    });
}

// A page of the sandbox. Whatever the browser complains about (a script's
// error, a policy that was broken) is kept in page.complaints.
export async function openChat(browser, url, { users = [1001], width = 1440, height = 900, scheme = "light", language = "en-GB" } = {}) {
    const context = await browser.newContext({
        viewport: { width, height }, colorScheme: scheme, locale: language, ignoreHTTPSErrors: true,
        timezoneId: "Europe/Moscow", hasTouch: width < 600,
    });
    const page = await context.newPage();
    page.complaints = [];
    page.on("pageerror", (error) => page.complaints.push(String(error)));
    page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) page.complaints.push(message.text());
    });
    await page.goto(`${url}/#${users.join(",")}`);
    await page.waitForSelector("body[data-ready]");
    return page;
}

export class Chat {
    constructor(page, user) {
        this.page = page;
        this.column = page.locator(`.column[data-user="${user}"]`);
        this.input = this.column.getByRole("combobox");
    }

    async type(text) {
        await this.input.fill(text);
        await this.input.press("Enter");
    }

    // Drags files of this machine over the chat and lets them go: as photos, or as files.
    async drop(paths, kind = "photo") {
        const session = await this.page.context().newCDPSession(this.page);
        const data = { items: [], files: paths, dragOperationsMask: 1 };
        const drag = (type, { x, y, width, height }) =>
            session.send("Input.dispatchDragEvent", { type, x: x + width / 2, y: y + height / 2, data });
        await drag("dragEnter", await this.column.boundingBox());
        const zone = this.column.locator(`.zone[data-kind=${kind}]`);
        await zone.waitFor({ state: "visible" });
        await drag("dragOver", await zone.boundingBox());
        await drag("drop", await zone.boundingBox());
        await session.detach();
    }

    // Picks files by the paper clip: "photo" or "document".
    async choose(files, kind = "photo") {
        await this.column.locator(".row [aria-haspopup]").click();
        const [chooser] = await Promise.all([this.page.waitForEvent("filechooser"),
            this.column.locator(".attach-menu button").nth(kind === "photo" ? 0 : 1).click()]);
        await chooser.setFiles(files);
    }

    bubble(text) {
        return this.column.locator(".message", { hasText: text }).last();
    }

    message(id) {
        return this.column.locator(`.message[data-messages~="${id}"]`);
    }

    key(label) {
        return this.column.locator(".keys").getByText(label, { exact: true }).last();
    }
}
