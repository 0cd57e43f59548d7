// message.js - one message as elements: text with entities, media, keyboard.
import { fileAddress, icon, make } from "./dom.js";
import { sizeWords, timeWords, word } from "./words.js";

// -- text --

const plainTags = {
    bold: "strong", italic: "em", underline: "u", strikethrough: "s", code: "code",
    blockquote: "blockquote", expandable_blockquote: "blockquote",
};

// Only addresses that cannot run anything in this page become links.
function safeAddress(address) {
    const whole = /^[a-z][a-z0-9+.-]*:/i.test(address) ? address : `https://${address}`;
    try {
        return ["http:", "https:", "mailto:", "tg:"].includes(new URL(whole).protocol) ? whole : null;
    } catch {
        return null;
    }
}

function link(address) {
    const safe = safeAddress(address);
    return safe ? make("a", { href: safe, target: "_blank", rel: "noopener noreferrer" }) : make("span");
}

function spoiler(language) {
    const hidden = make("span", { class: "spoiler", role: "button", tabindex: "0", "aria-label": word("spoiler", language) });
    const show = () => {
        hidden.classList.add("shown");
        for (const name of ["role", "tabindex", "aria-label"]) hidden.removeAttribute(name);
    };
    hidden.addEventListener("click", show);
    hidden.addEventListener("keydown", (event) => {
        if (event.key === "Enter" || event.key === " ") show();
    });
    return hidden;
}

function preformatted(entity) {
    return make("pre", { "data-language": entity.language, tabindex: "0" });
}

function entityElement(entity, covered, chat) {
    switch (entity.type) {
    case "text_link": return link(entity.url);
    case "url": return link(covered);
    case "email": return link(`mailto:${covered}`);
    case "spoiler": return spoiler(chat.language);
    case "pre": return preformatted(entity);
    case "bot_command":
        return make("button", { type: "button", class: "command", onclick: () => chat.send(covered) });
    default:
        return make(plainTags[entity.type] ?? "span", { class: plainTags[entity.type] ? null : "entity" });
    }
}

// Offsets count UTF-16 units, as JavaScript's strings do. An entity lies inside
// another or beside it; the outer one stands first after sorting.
export function richText(text, entities, chat) {
    const sorted = [...(entities ?? [])].sort((a, b) => a.offset - b.offset || b.length - a.length);
    let next = 0;
    const fill = (parent, from, to) => {
        let at = from;
        while (next < sorted.length && sorted[next].offset < to) {
            const entity = sorted[next++];
            const start = Math.max(entity.offset, at);
            const end = Math.min(entity.offset + entity.length, to);
            if (end <= start) continue;
            parent.append(text.slice(at, start));
            const element = entityElement(entity, text.slice(start, end), chat);
            fill(element, start, end);
            parent.append(element);
            at = end;
        }
        parent.append(text.slice(at, to));
    };
    const whole = document.createDocumentFragment();
    fill(whole, 0, text.length);
    return whole;
}

// -- media --

const tallest = 430; // px
const widest = 480;
const narrowest = 240;

// A picture's place is kept before it is loaded: its bubble has its width.
function shownWidth({ width, height }) {
    if (!width || !height) return narrowest;
    return Math.round(Math.max(narrowest, Math.min(width, widest, (tallest * width) / height)));
}

function photo(message, chat) {
    const { media } = message;
    const image = make("img", {
        src: fileAddress(media.file_id), alt: message.text || word("photo", chat.language),
        width: media.width || null, height: media.height || null, decoding: "async",
    });
    return make("button", {
        class: "photo", type: "button", "data-file": media.file_id,
        "aria-label": word("photo", chat.language), onclick: () => chat.enlarge(image.src, image.alt),
    }, image);
}

function documentCard(message, chat) {
    const { media } = message;
    const name = media.file_name || word("file", chat.language);
    return make("a", { class: "document", href: fileAddress(media.file_id), download: name },
        media.thumbnail ? make("span", { class: "document-picture", "data-file": media.thumbnail }, make("img", { src: fileAddress(media.thumbnail), alt: "" }))
            : make("span", { class: "document-icon" }, icon("file")),
        make("span", { class: "document-words" },
            make("span", { class: "document-name" }, name),
            make("span", { class: "document-size" }, sizeWords(media.size_bytes ?? 0, chat.language))));
}

function player(tag, message) {
    return make(tag, { class: "player", controls: true, preload: "metadata", src: fileAddress(message.media.file_id) });
}

function invoice(message) {
    const about = message.extra?.invoice ?? {};
    return make("div", { class: "invoice" },
        make("strong", {}, about.title ?? ""),
        make("span", {}, about.description ?? ""),
        make("span", { class: "price" }, `${about.total_amount ?? ""} ${about.currency === "XTR" ? "★" : about.currency ?? ""}`));
}

// What Telegram itself says in a chat about Stars.
function aboutStars(message, chat) {
    const about = message.extra?.[message.kind] ?? {};
    return make("p", { class: "about-stars" }, `${word(message.kind, chat.language)}: ${about.total_amount ?? ""} ★`);
}

function mediaElement(message, chat) {
    switch (message.kind) {
    case "photo": return photo(message, chat);
    case "document": return documentCard(message, chat);
    case "voice":
    case "audio": return player("audio", message);
    case "video":
    case "video_note": return player("video", message);
    case "invoice": return invoice(message);
    case "successful_payment":
    case "refunded_payment": return aboutStars(message, chat);
    case "text": return null;
    default: return make("p", { class: "unknown" }, `${word("unknown_kind", chat.language)} (${message.kind})`);
    }
}

// -- keyboard --

function copyButton(button, chat) {
    return make("button", {
        type: "button",
        onclick: async () => {
            await navigator.clipboard?.writeText(button.copy_text.text);
            chat.toast(word("copied", chat.language));
        },
    }, button.text);
}

// Telegram puts a star where the words of a button that pays name one.
function payButton(message, button, chat) {
    const words = button.text.replaceAll(/⭐️?|XTR/gu, "★");
    const isBusy = chat.isPaying(message.id);
    return make("button", {
        type: "button", class: isBusy ? "pay busy" : "pay", "data-pay": message.id,
        disabled: Boolean(message.is_paid), "aria-busy": isBusy ? "true" : null,
        onclick: () => chat.pay(message.id),
    }, message.is_paid ? word("paid", chat.language) : words);
}

function key(message, button, chat) {
    if (button.pay) return payButton(message, button, chat);
    if (button.url) {
        const address = link(button.url);
        address.className = "key-link";
        address.append(button.text, icon("out"));
        return address;
    }
    if (button.copy_text) return copyButton(button, chat);
    if (button.callback_data === undefined) return make("button", { type: "button", disabled: true }, button.text);
    const isBusy = chat.isTapped(message.id, button.callback_data);
    return make("button", {
        type: "button", class: isBusy ? "busy" : null, "aria-busy": isBusy ? "true" : null,
        "data-callback": button.callback_data,
        onclick: () => chat.tap(message.id, button.callback_data),
    }, button.text);
}

// An invoice without buttons of its own has the one that pays.
function rowsOf(message, chat) {
    const rows = message.markup?.inline_keyboard;
    if (rows?.length || message.kind !== "invoice") return rows;
    const price = message.extra?.invoice?.total_amount ?? "";
    return [[{ text: `${word("pay", chat.language)} ${price} ★`, pay: true }]];
}

function keyboard(message, chat) {
    const rows = rowsOf(message, chat);
    if (!rows?.length) return null;
    return make("div", { class: "keyboard" }, ...rows.map((row) =>
        make("div", { class: "keys" }, ...row.map((button) => key(message, button, chat)))));
}

// -- what a message answers --

function quote(message, chat) {
    if (!message.reply_to) return null;
    const replied = chat.messages.get(message.reply_to);
    const kind = replied && replied.kind !== "text" ? word(replied.kind === "photo" ? "photo" : "file", chat.language) : "";
    const words = replied ? (replied.text ?? "").slice(0, 120) || replied.media?.file_name || kind : chat.hasEarlier ? "…" : word("replied_gone", chat.language);
    const picture = replied?.kind === "photo" ? replied.media?.file_id : replied?.media?.thumbnail;
    return make("button", {
        type: "button", class: "quote", "aria-label": `${word("replied", chat.language)}: ${words}`,
        onclick: () => chat.show(message.reply_to),
    }, picture ? make("span", { class: "quote-picture", "data-file": picture }, make("img", { src: fileAddress(picture), alt: "" })) : null,
    make("span", { class: "quote-words" },
        make("b", {}, replied?.is_bot ? word("bot", chat.language) : chat.user.name), make("span", {}, words)));
}

// -- a bubble: one message, or all of an album --

function stamp(message, chat) {
    const isEdited = message.is_bot && message.edit_date;
    return make("span", { class: "stamp" },
        isEdited ? `${word("edited", chat.language)} ` : null,
        make("time", { datetime: new Date(message.date * 1000).toISOString() }, timeWords(message.date, chat.language)));
}

export function bubble(messages, chat) {
    const first = messages[0];
    const captioned = messages.find((message) => message.text) ?? messages[messages.length - 1];
    const media = messages.map((message) => mediaElement(message, chat)).filter(Boolean);
    const isGrid = media.length > 1 && messages.every((message) => ["photo", "video"].includes(message.kind));
    const isPicture = media.length > 0 && ["photo", "video"].includes(first.kind);
    const holder = media.length
        ? make("div", { class: isGrid ? `grid grid-${Math.min(media.length, 10)}` : "media" }, ...media) : null;
    const body = make("div", { class: `bubble${isPicture ? " pictured" : ""}${captioned.text ? "" : " wordless"}` }, quote(first, chat), holder);
    if (captioned.text)
        body.append(make("div", { class: "text" }, richText(captioned.text, captioned.entities, chat), stamp(captioned, chat)));
    else
        body.append(stamp(captioned, chat));
    const item = make("li", {
        class: `message ${first.is_bot ? "from-bot" : "from-user"}`,
        "data-message": first.id, "data-messages": messages.map((message) => message.id).join(" "),
    }, body, keyboard(first, chat));
    if (isPicture) item.style.width = `${isGrid ? widest : shownWidth(first.media)}px`;
    return item;
}
