// composer.js - writing, attaching, dropping, speaking, and the popup of commands.
import { icon, iconButton, keep, make, tell } from "./dom.js";
import { sizeWords, word } from "./words.js";

const mostInAlbum = 10;
const mostFiles = 100;
const mostBytes = 50 << 20;
const mostPhotoSides = 10000; // px, width and height together
const mostPhotoRatio = 20;

// Whether Telegram's apps would send it as a photo; the sandbox looks again.
async function canBePhoto(file) {
    if (!file.type.startsWith("image/")) return false;
    const picture = await createImageBitmap(file).catch(() => null);
    if (!picture) return false;
    const { width, height } = picture;
    picture.close();
    return width + height <= mostPhotoSides && width <= height * mostPhotoRatio && height <= width * mostPhotoRatio;
}

function inPieces(list, size) {
    const pieces = [];
    for (let at = 0; at < list.length; at += size) pieces.push(list.slice(at, at + size));
    return pieces;
}

export class Composer {
    constructor(chat) {
        this.chat = chat;
        this.picked = []; // {file, wanted, kind, isPicture, address, image, looked, progress, sha256}
        this.sending = null; // ends an upload that is under way
        this.recording = null; // a voice message that is being spoken
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
        this.tray = make("ul", { class: "tray" });
        this.modes = ["photo", "document"].map((kind) => make("button", { type: "button", "data-mode": kind, onclick: () => this.sendAs(kind) }));
        this.mode = make("div", { class: "mode", role: "group" }, ...this.modes);
        this.files = make("div", { class: "files", hidden: true }, this.mode, this.tray);
        this.photoInput = this.fileInput("photo", "image/*");
        this.anyInput = this.fileInput("document");
        this.menu = make("div", { class: "attach-menu", hidden: true },
            make("button", { type: "button", onclick: () => this.choose(this.photoInput) }, icon("photo"), make("span")),
            make("button", { type: "button", onclick: () => this.choose(this.anyInput) }, icon("file"), make("span")));
        this.clip = iconButton("clip", "", () => this.toggleMenu(), { "aria-expanded": "false", "aria-haspopup": "true" });
        this.slash = iconButton("slash", "", () => this.toggleCommands());
        this.sendButton = iconButton("send", "", () => this.submit(), { class: "icon send" });
        this.voice = iconButton("voice", "", () => this.toggleVoice(), { class: "icon voice", "aria-pressed": "false" });
        this.clock = make("span", { class: "clock", role: "timer", hidden: true });
        this.row = make("div", { class: "row" }, this.clip, this.input, this.slash, this.clock, this.voice, this.sendButton);
        this.unblock = make("button", { type: "button", class: "unblock", onclick: () => this.chat.setBlocked(false) });
        this.element = make("footer", { class: "composer" },
            this.popup, this.menu, this.files, this.row, this.unblock, this.photoInput, this.anyInput);
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
        label(this.clip, "attach");
        label(this.slash, "commands");
        label(this.sendButton, "send");
        label(this.voice, this.recording ? "record_stop" : "record");
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

    // -- voice --

    // The first tap begins to record, the second one sends.
    async toggleVoice() {
        if (this.recording) {
            this.recording.stop();
            return;
        }
        const stream = await navigator.mediaDevices?.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } }).catch(() => null);
        if (!stream) {
            this.chat.toast(word("no_microphone", this.language));
            return;
        }
        const pieces = [];
        const began = Date.now();
        this.recording = new MediaRecorder(stream, { audioBitsPerSecond: 32000 });
        this.recording.ondataavailable = (event) => pieces.push(event.data);
        this.recording.onstop = () => {
            for (const track of stream.getTracks()) track.stop();
            const type = this.recording.mimeType.split(";")[0];
            this.recording = null;
            this.describeVoice(began);
            this.chat.attempt(() => this.sendVoice(new Blob(pieces, { type }), Math.max(1, Math.round((Date.now() - began) / 1000))));
        };
        this.recording.start();
        this.describeVoice(began);
    }

    describeVoice(began) {
        const isOn = Boolean(this.recording);
        this.voice.setAttribute("aria-pressed", String(isOn));
        this.voice.replaceChildren(icon(isOn ? "stop" : "voice"));
        this.clock.hidden = !isOn;
        this.describe();
        const tick = () => {
            const seconds = Math.floor((Date.now() - began) / 1000);
            this.clock.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
            if (this.recording) setTimeout(tick, 250);
        };
        tick();
    }

    async sendVoice(blob, duration) {
        const sha256 = await keep(blob, () => {}, new AbortController().signal);
        await tell("chat/files", { user: this.chat.user.id, caption: "", files: [{ kind: "voice", sha256, name: "voice", type: blob.type, duration }] });
        this.chat.toEnd();
        return true;
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
            const wrong = file.size > mostBytes ? "file_too_large" : file.size === 0 ? "file_empty"
                : this.picked.length >= mostFiles ? "too_many_files" : null;
            if (wrong) this.chat.toast(`${file.name}: ${word(wrong, this.language)}`);
            else this.picked.push(this.look({ file, wanted: kind }));
        }
        this.describeTray();
        this.input.focus();
    }

    // A picture by its name, until its bytes have been looked at.
    look(picked) {
        picked.isPicture = picked.file.type.startsWith("image/");
        picked.kind = picked.isPicture ? picked.wanted : "document";
        picked.address = picked.isPicture ? URL.createObjectURL(picked.file) : null;
        picked.image = picked.isPicture ? make("img", { src: picked.address, alt: "" }) : null; // one, or it would load anew each time
        picked.looked = canBePhoto(picked.file).then((canBe) => {
            if (canBe || !picked.isPicture) return;
            Object.assign(picked, { isPicture: false, kind: "document", image: null });
            this.describeTray();
        });
        return picked;
    }

    // All pictures that wait become photos, or files.
    sendAs(kind) {
        for (const picked of this.picked) if (picked.isPicture) picked.kind = kind;
        this.describeTray();
    }

    drop(...gone) {
        this.picked = this.picked.filter((picked) => !gone.includes(picked));
        this.describeTray();
        for (const picked of gone) if (picked.address) URL.revokeObjectURL(picked.address);
    }

    describeTray() {
        const { picked, language } = this;
        const pictures = picked.filter((one) => one.isPicture);
        const caption = word(picked.length ? "caption" : "placeholder", language);
        this.input.placeholder = caption;
        this.input.setAttribute("aria-label", `${caption}: ${this.chat.user.name}`);
        this.files.hidden = picked.length === 0 || this.chat.user.is_blocked;
        this.mode.hidden = pictures.length === 0;
        this.mode.setAttribute("aria-label", word("send_as", language));
        for (const button of this.modes) {
            button.textContent = word(button.dataset.mode === "photo" ? "as_photos" : "as_files", language);
            button.setAttribute("aria-pressed", String(pictures.every((one) => one.kind === button.dataset.mode)));
            button.disabled = Boolean(this.sending);
        }
        this.tray.replaceChildren(...picked.map((one) => this.trayItem(one)));
    }

    trayItem(picked) {
        const { file, kind, wanted, isPicture, image } = picked;
        picked.bar = make("progress", { max: "1", value: picked.progress ?? 0, hidden: !this.sending, "aria-label": `${word("uploading", this.language)}: ${file.name}` });
        const about = wanted === "photo" && !isPicture ? `${sizeWords(file.size, this.language)}, ${word("goes_as_file", this.language)}` : sizeWords(file.size, this.language);
        const content = kind === "photo" ? make("span", { class: "tray-photo", role: "img", "aria-label": file.name, title: file.name }, image)
            : make("span", { class: "tray-file" },
                image ?? icon("file"),
                make("span", { class: "tray-words" }, make("b", { title: file.name }, file.name), make("span", {}, about)));
        return make("li", { class: kind }, content, picked.bar,
            iconButton("close", `${word("remove", this.language)}: ${file.name}`, () => this.sending ? this.sending.abort() : this.drop(picked)));
    }

    onPaste(event) {
        const files = [...event.clipboardData.files];
        if (!files.length) return;
        event.preventDefault();
        this.pick(files, "photo");
    }

    // First every file goes up, then they are sent, album by album: a message that
    // another file of the album is still missing from has never existed.
    async upload() {
        if (this.sending) return;
        this.sending = new AbortController();
        this.sendButton.disabled = true;
        this.describeTray();
        const isSent = await this.chat.attempt(() => this.keepAndSend([...this.picked], this.input.value.trim()));
        this.sending = null;
        this.sendButton.disabled = false;
        if (isSent) {
            this.setText("");
            this.chat.toEnd();
        }
        this.describeTray();
    }

    async keepAndSend(picked, caption) {
        await Promise.all(picked.map((one) => one.looked));
        for (const one of picked) {
            one.sha256 ??= await keep(one.file, (progress) => this.showProgress(one, progress), this.sending.signal)
                .catch((error) => {
                    if (error.name === "AbortError") return null;
                    throw error;
                });
            if (!one.sha256) return false; // the person thought better of it
            this.showProgress(one, 1);
        }
        let words = caption;
        for (const kind of ["photo", "document"]) {
            for (const album of inPieces(picked.filter((one) => one.kind === kind), mostInAlbum)) {
                const files = album.map((one) => ({ kind, sha256: one.sha256, name: one.file.name, type: one.file.type }));
                await tell("chat/files", { user: this.chat.user.id, caption: words, files });
                words = "";
                this.drop(...album);
            }
        }
        return true;
    }

    showProgress(picked, progress) {
        picked.progress = progress;
        if (picked.bar) picked.bar.value = progress;
    }

    // -- drag and drop: the upper half of the chat sends photos, the lower files --

    acceptDrops(area) {
        const zones = ["photo", "document"].map((kind) => make("div", { class: "zone", "data-kind": kind },
            icon(kind === "photo" ? "photo" : "file"),
            make("span", {}, word(kind === "photo" ? "drop_photo" : "drop_file", this.language))));
        const cover = make("div", { class: "zones", hidden: true }, ...zones);
        area.append(cover);
        let depth = 0;
        const carriesFiles = (event) => event.dataTransfer?.types.includes("Files") && !this.chat.user.is_blocked;
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
