// composer.js - writing, attaching, dropping, and the popup of commands.
import { ask, icon, iconButton, make } from "./dom.js";
import { sizeWords, word } from "./words.js";

const mostInAlbum = 10;

export class Composer {
    constructor(chat) {
        this.chat = chat;
        this.picked = []; // {file, kind, address}
        this.choice = 0;
        this.build();
    }

    get language() {
        return this.chat.language;
    }

    build() {
        const id = `popup-${this.chat.user.id}`;
        this.input = make("textarea", {
            rows: "1", maxlength: "4096", role: "combobox", "aria-autocomplete": "list",
            "aria-controls": id, "aria-expanded": "false",
        });
        this.input.addEventListener("input", () => this.onInput());
        this.input.addEventListener("keydown", (event) => this.onKey(event));
        this.input.addEventListener("paste", (event) => this.onPaste(event));
        this.input.addEventListener("blur", () => setTimeout(() => this.showCommands([]), 150));
        this.popup = make("ul", { class: "popup", id, role: "listbox", hidden: true });
        this.tray = make("ul", { class: "tray", hidden: true });
        this.photoInput = this.fileInput("photo", "image/*");
        this.anyInput = this.fileInput("document");
        this.menu = make("div", { class: "attach-menu", hidden: true },
            make("button", { type: "button", onclick: () => this.choose(this.photoInput) }, icon("photo"), make("span")),
            make("button", { type: "button", onclick: () => this.choose(this.anyInput) }, icon("file"), make("span")));
        this.clip = iconButton("clip", "", () => this.toggleMenu(), { "aria-expanded": "false", "aria-haspopup": "true" });
        this.slash = iconButton("slash", "", () => this.toggleCommands());
        this.sendButton = iconButton("send", "", () => this.submit(), { class: "icon send" });
        this.row = make("div", { class: "row" }, this.clip, this.input, this.slash, this.sendButton);
        this.unblock = make("button", { type: "button", class: "unblock", onclick: () => this.chat.setBlocked(false) });
        this.element = make("footer", { class: "composer" },
            this.popup, this.menu, this.tray, this.row, this.unblock, this.photoInput, this.anyInput);
        this.menu.addEventListener("keydown", (event) => {
            if (event.key === "Escape") this.toggleMenu(false);
        });
        document.addEventListener("pointerdown", (event) => {
            if (!this.menu.contains(event.target) && !this.clip.contains(event.target)) this.toggleMenu(false);
        });
    }

    describe() {
        const label = (element, key) => {
            element.setAttribute("aria-label", word(key, this.language));
            element.title = word(key, this.language);
        };
        const { user } = this.chat;
        this.input.placeholder = word("placeholder", this.language);
        this.input.setAttribute("aria-label", `${word("placeholder", this.language)}: ${user.name}`);
        label(this.clip, "attach");
        label(this.slash, "commands");
        label(this.sendButton, "send");
        this.popup.setAttribute("aria-label", word("commands", this.language));
        this.menu.children[0].lastChild.textContent = word("attach_photo", this.language);
        this.menu.children[1].lastChild.textContent = word("attach_file", this.language);
        this.unblock.textContent = word("unblock", this.language);
        this.describeTray();
        this.row.hidden = user.is_blocked;
        this.unblock.hidden = !user.is_blocked;
        this.slash.hidden = this.commands().length === 0;
    }

    // -- text --

    onInput() {
        this.input.style.height = "auto";
        this.input.style.height = `${Math.min(this.input.scrollHeight, 180)}px`;
        const { value } = this.input;
        const isCommand = /^\/[a-z0-9_]*$/i.test(value);
        this.showCommands(isCommand ? this.commands().filter((c) => c.command.startsWith(value.slice(1).toLowerCase())) : []);
    }

    onKey(event) {
        if (!this.popup.hidden && this.onPopupKey(event)) {
            event.preventDefault();
            return;
        }
        if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
            event.preventDefault();
            this.submit();
        }
    }

    setText(text) {
        this.input.value = text;
        this.onInput();
    }

    async submit() {
        if (this.picked.length) {
            await this.upload();
            return;
        }
        const text = this.input.value.trim();
        if (!text) return;
        this.setText("");
        this.input.focus();
        await this.chat.send(text);
    }

    // -- commands --

    commands() {
        const { commands } = this.chat.shell;
        return commands[this.chat.user.language] ?? commands[""] ?? [];
    }

    toggleCommands() {
        this.input.focus();
        this.showCommands(this.popup.hidden ? this.commands() : []);
    }

    showCommands(list) {
        this.offered = list;
        this.choice = 0;
        this.popup.hidden = list.length === 0;
        this.input.setAttribute("aria-expanded", String(list.length > 0));
        this.popup.replaceChildren(...list.map((command, at) => make("li", {
            role: "option", id: `${this.popup.id}-${at}`,
            onpointerdown: (event) => event.preventDefault(),
            onclick: () => this.take(command),
        }, make("b", {}, `/${command.command}`), make("span", {}, command.description))));
        this.markChoice();
    }

    markChoice() {
        [...this.popup.children].forEach((row, at) => row.setAttribute("aria-selected", String(at === this.choice)));
        const row = this.popup.children[this.choice];
        if (!row) {
            this.input.removeAttribute("aria-activedescendant");
            return;
        }
        this.input.setAttribute("aria-activedescendant", row.id);
        row.scrollIntoView({ block: "nearest" });
    }

    onPopupKey(event) {
        const steps = { ArrowDown: 1, ArrowUp: -1 };
        if (steps[event.key]) {
            this.choice = (this.choice + steps[event.key] + this.offered.length) % this.offered.length;
            this.markChoice();
        } else if (event.key === "Enter") {
            this.take(this.offered[this.choice]);
        } else if (event.key === "Tab") {
            this.setText(`/${this.offered[this.choice].command} `);
        } else if (event.key === "Escape") {
            this.showCommands([]);
        } else {
            return false;
        }
        return true;
    }

    take(command) {
        this.setText("");
        this.showCommands([]);
        this.chat.send(`/${command.command}`);
    }

    // -- files --

    fileInput(kind, accept) {
        const input = make("input", { type: "file", multiple: true, accept, hidden: true, "data-kind": kind, tabindex: "-1" });
        input.addEventListener("change", () => {
            this.pick(input.files, kind);
            input.value = "";
        });
        return input;
    }

    toggleMenu(isOpen = this.menu.hidden) {
        if (this.menu.hidden === !isOpen) return;
        this.menu.hidden = !isOpen;
        this.clip.setAttribute("aria-expanded", String(isOpen));
        if (isOpen) this.menu.firstChild.focus();
    }

    choose(input) {
        this.toggleMenu(false);
        input.click();
    }

    pick(files, kind) {
        for (const file of files) {
            if (this.picked.length === mostInAlbum) break;
            const isPicture = file.type.startsWith("image/");
            this.picked.push({ file, kind: kind === "photo" && !isPicture ? "document" : kind,
                address: isPicture ? URL.createObjectURL(file) : null });
        }
        this.describeTray();
        this.input.focus();
    }

    drop(picked) {
        if (picked.address) URL.revokeObjectURL(picked.address);
        this.picked = this.picked.filter((other) => other !== picked);
        this.describeTray();
    }

    describeTray() {
        this.tray.hidden = this.picked.length === 0 || this.chat.user.is_blocked;
        this.tray.replaceChildren(...this.picked.map((picked) => make("li", { class: picked.kind },
            picked.kind === "photo" ? make("img", { src: picked.address, alt: picked.file.name })
                : make("span", { class: "tray-file" }, icon("file"), make("b", {}, picked.file.name), make("span", {}, sizeWords(picked.file.size, this.language))),
            iconButton("close", `${word("remove", this.language)}: ${picked.file.name}`, () => this.drop(picked)))));
    }

    onPaste(event) {
        const files = [...event.clipboardData.files];
        if (!files.length) return;
        event.preventDefault();
        this.pick(files, "photo");
    }

    // Files of one kind picked together travel as one album.
    async upload() {
        const form = new FormData();
        form.append("user", this.chat.user.id);
        form.append("caption", this.input.value.trim());
        for (const picked of this.picked) form.append(picked.kind, picked.file, picked.file.name);
        this.sendButton.disabled = true;
        const made = await this.chat.attempt(() => ask("chat/upload", { method: "POST", body: form }));
        this.sendButton.disabled = false;
        if (!made) return;
        for (const picked of [...this.picked]) this.drop(picked);
        this.setText("");
        this.chat.toEnd();
    }

    // -- drag and drop: the upper half of the chat sends photos, the lower files --

    acceptDrops(area) {
        const zones = ["photo", "document"].map((kind) => make("div", { class: "zone", "data-kind": kind },
            icon(kind === "photo" ? "photo" : "file"),
            make("span", {}, word(kind === "photo" ? "drop_photo" : "drop_file", this.language))));
        const cover = make("div", { class: "zones", hidden: true }, ...zones);
        area.append(cover);
        let depth = 0;
        const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
        area.addEventListener("dragenter", (event) => {
            if (!carriesFiles(event)) return;
            depth++;
            cover.hidden = false;
        });
        area.addEventListener("dragleave", (event) => {
            if (carriesFiles(event) && --depth === 0) cover.hidden = true;
        });
        area.addEventListener("dragover", (event) => {
            if (carriesFiles(event)) event.preventDefault();
        });
        area.addEventListener("drop", (event) => {
            if (!carriesFiles(event)) return;
            event.preventDefault();
            depth = 0;
            cover.hidden = true;
            this.pick(event.dataTransfer.files, event.target.closest(".zone")?.dataset.kind ?? "photo");
        });
    }
}
