// bad_calls_test.mjs - calls that Telegram refuses, one for each rule, and the
// good calls beside them. A sandbox of its own: no bot stands behind it, and
// what is refused here is counted nowhere else.
import assert from "node:assert/strict";
import { File } from "node:buffer";
import { after, before, test } from "node:test";
import { broken, notPicture, portrait, tooWide } from "../e2e/lib/photos.mjs";
import { picture } from "../e2e/lib/picture.mjs";
import { startSandbox } from "../e2e/lib/sandbox.mjs";

const asya = 42001, bob = 42002, stranger = 42003, blocker = 42004;
let sandbox;
const known = {}; // messages, files and taps that the calls speak of

// Of an order that is paid, agreed to by the bot, and of one that waits for its word.
async function planPayments() {
    const sell = () => good("sendInvoice", { chat_id: asya, title: "Coins", description: "Some coins", payload: "order", currency: "XTR", prices: [{ label: "Coins", amount: 5 }] });
    const buy = async () => (await act(asya, "pay", { message_id: (await sell()).message_id })).checkout_id;
    known.paid = await buy();
    await good("answerPreCheckoutQuery", { pre_checkout_query_id: known.paid, ok: true });
    known.charge = (await good("getStarTransactions", {})).transactions.at(-1).id;
    await good("refundStarPayment", { user_id: asya, telegram_payment_charge_id: known.charge });
    known.invoice = (await sell()).message_id;
    known.checkout = await buy();
}

async function control(name, body) {
    const response = await fetch(`${sandbox.url}/control/${name}`,
        body === undefined ? {} : { method: "POST", body: JSON.stringify(body) });
    return response.json();
}

const act = (user, kind, more) => control("update", { user, kind, ...more });
const call = (method, parameters) => sandbox.call(method, parameters);
async function good(method, parameters) {
    const answer = await call(method, parameters);
    assert.equal(answer.ok, true, `${method}: ${answer.description}`);
    return answer.result;
}
const file = (bytes, type, name) => new File([bytes], name, { type });
const png = (width, height) => file(picture(width, height, [200, 90, 40]), "image/png", "a.png");
const keyboard = (button) => ({ inline_keyboard: [[button]] });
const tap = { text: "Go", callback_data: "menu:open" };

// A PNG whose header tells any size; nobody decodes it here.
function header(width, height) {
    const bytes = Buffer.from(picture(1, 1, [1, 2, 3]));
    bytes.writeUInt32BE(width, 16);
    bytes.writeUInt32BE(height, 20);
    return file(bytes, "image/png", "a.png");
}

// Files that a person has sent, by the updates that tell the bot of them.
async function planFiles() {
    const sent = ({ name, type, bytes }, kind) => ({ kind, file_name: name, mime_type: type, bytes: bytes.toString("base64") });
    const large = { name: "large.png", type: "image/png", bytes: Buffer.concat([portrait(1).bytes, Buffer.alloc(20 << 20)]) };
    const { message_ids: ids } = await act(asya, "files", { files: [sent(portrait(1), "photo"), sent(portrait(2), "document"), sent(large, "document")] });
    const messages = new Map((await good("getUpdates", {})).filter((update) => update.message).map((update) => [update.message.message_id, update.message]));
    const [photo, document, tooLarge] = ids.map((id) => messages.get(id));
    known.personPhoto = photo.photo;
    known.personDocument = document.document;
    known.personLarge = tooLarge.document.file_id;
    known.deletedByBot = (await act(asya, "text", { text: "to be deleted" })).message_id;
    await good("deleteMessage", { chat_id: asya, message_id: known.deletedByBot });
}

before(async () => {
    sandbox = await startSandbox();
    for (const id of [asya, bob, stranger, blocker])
        await control("person", { id, first_name: `P${id}`, language_code: "en" });
    for (const id of [asya, bob, blocker]) await act(id, "text", { text: "/start" });
    const sent = await act(asya, "text", { text: "words of Asya" });
    known.fromUser = sent.message_id;
    known.text = (await good("sendMessage", { chat_id: asya, text: "<b>Hi</b>", parse_mode: "HTML", reply_markup: keyboard(tap) })).message_id;
    const photo = await good("sendPhoto", { chat_id: asya, photo: png(640, 480), caption: "a picture" });
    known.photo = photo.message_id;
    known.photoFile = photo.photo.at(-1).file_id;
    const document = await good("sendDocument", { chat_id: asya, document: file("abc", "text/plain", "a.txt") });
    known.documentFile = document.document.file_id;
    const album = await good("sendMediaGroup", { chat_id: asya, media: [{ type: "photo", media: known.photoFile }, { type: "photo", media: known.photoFile }] });
    known.album = album[0].message_id;
    known.callback = (await act(asya, "tap", { message_id: known.text, data: "menu:open" })).callback_id;
    known.answered = (await act(asya, "tap", { message_id: known.text, data: "menu:open" })).callback_id;
    await good("answerCallbackQuery", { callback_query_id: known.answered });
    await act(blocker, "block");
    known.gone = (await good("sendMessage", { chat_id: asya, text: "soon gone" })).message_id;
    await good("deleteMessage", { chat_id: asya, message_id: known.gone });
    const large = await good("sendDocument", { chat_id: asya, document: file(Buffer.alloc(20971521), "text/plain", "large.bin") });
    known.largeFile = large.document.file_id;
    await planFiles();
    await planPayments();
    const foreign = Buffer.from(known.photoFile, "base64url");
    foreign.writeBigInt64LE(777n, 3);
    known.foreignFile = foreign.toString("base64url");
    const unknown = Buffer.from(known.photoFile, "base64url");
    unknown[20] ^= 255;
    known.unknownFile = unknown.toString("base64url");
});

after(async () => sandbox?.stop());

const bad = "Bad Request: ";
const parse = `${bad}can't parse entities: `;
const button = `${bad}can't parse inline keyboard button: `;
const html = (text) => () => ({ chat_id: asya, text, parse_mode: "HTML" });
const say = (more) => () => ({ chat_id: asya, text: "x", ...more });
const withButton = (more) => say({ reply_markup: keyboard({ text: "Go", ...more }) });
const show = (more) => () => ({ chat_id: asya, photo: known.photoFile, ...more });
const album = (...media) => () => ({ chat_id: asya, media });
const price = { label: "Coins", amount: 5 };
const invoice = (more) => () => ({ chat_id: asya, title: "Coins", description: "Some coins", payload: "order", currency: "XTR", prices: [price], ...more });
const without = (name, make) => () => { const { [name]: ignored, ...rest } = make(); return rest; };
const refund = (more) => () => ({ user_id: asya, telegram_payment_charge_id: known.charge, ...more });
const late = `${bad}query is too old and response timeout expired or query ID is invalid`;
const edit = (more) => () => ({ chat_id: asya, message_id: known.text, ...more });

// name, method, parameters, code, Telegram's words
const refusals = [
    ["an unknown method", "sendMassage", () => ({}), 404, "Not Found: method not found"],
    ["a method that is not played", "sendDice", say(), 404, "Not Found: method not found"],
    ["an unknown field", "sendMessage", say({ txt: "x" }), 400, `${bad}unknown field "txt" in sendMessage`],
    ["a field of the old API", "sendMessage", say({ disable_web_page_preview: true }), 400, `${bad}unknown field "disable_web_page_preview" in sendMessage`],
    ["no chat", "sendMessage", () => ({ text: "x" }), 400, `${bad}chat_id is empty`],
    ["a chat of no one", "sendMessage", say({ chat_id: 999999999 }), 400, `${bad}chat not found`],
    ["a chat by an unknown name", "sendMessage", say({ chat_id: "@nobody_here" }), 400, `${bad}chat not found`],
    ["a person who never wrote", "sendMessage", say({ chat_id: stranger }), 403, "Forbidden: bot can't initiate conversation with a user"],
    ["a person who blocked the bot", "sendMessage", say({ chat_id: blocker }), 403, "Forbidden: bot was blocked by the user"],
    ["a chat of another type", "sendMessage", say({ chat_id: true }), 400, `${bad}field "chat_id" must be of type Integer|String`],
    ["no text", "sendMessage", () => ({ chat_id: asya }), 400, `${bad}message text is empty`],
    ["an empty text", "sendMessage", say({ text: "" }), 400, `${bad}message text is empty`],
    ["a text of spaces", "sendMessage", say({ text: " \n " }), 400, `${bad}text must be non-empty`],
    ["a text of another type", "sendMessage", say({ text: 5 }), 400, `${bad}field "text" must be of type String`],
    ["a text of 4097 units", "sendMessage", say({ text: "x".repeat(4097) }), 400, `${bad}message is too long`],
    ["a text too long in UTF-16 alone", "sendMessage", say({ text: "😀".repeat(2049) }), 400, `${bad}message is too long`],
    ["a text too long in bytes", "sendMessage", say({ text: "я".repeat(16385) }), 400, `${bad}text is too long`],
    ["an unknown parse mode", "sendMessage", say({ parse_mode: "BBCode" }), 400, `${bad}unsupported parse_mode`],
    ["a flag of another type", "sendMessage", say({ protect_content: "yes" }), 400, `${bad}field "protect_content" must be of type Boolean`],
    ["a tag that is none", "sendMessage", html('abcde<x>y</x>'), 400, `${parse}Unsupported start tag "x" at byte offset 5`],
    ["a bare less-than", "sendMessage", html("1 < 2"), 400, `${parse}Unsupported start tag "" at byte offset 2`],
    ["a tag that does not end", "sendMessage", html("я <b"), 400, `${parse}Unclosed start tag at byte offset 3`],
    ["a tag that is not closed", "sendMessage", html("<b>x"), 400, `${parse}Can't find end tag corresponding to start tag "b"`],
    ["tags closed in the wrong order", "sendMessage", html("<b><i>x</b></i>"), 400, `${parse}Unmatched end tag at byte offset 7, expected "</i>", found "</b>"`],
    ["an end without a beginning", "sendMessage", html("x</b>"), 400, `${parse}Unexpected end tag at byte offset 1`],
    ["an end tag cut off", "sendMessage", html("<b>x</b"), 400, `${parse}Unclosed end tag at byte offset 4`],
    ["a span of another class", "sendMessage", html('<span class="red">x</span>'), 400, `${parse}Tag "span" must have class "tg-spoiler" at byte offset 0`],
    ["an attribute without a name", "sendMessage", html('<a ="x">x</a>'), 400, `${parse}Empty attribute name in the tag "a" at byte offset 0`],
    ["a bare attribute value", "sendMessage", html("<a href=http://a.b>x</a>"), 400, `${parse}Unexpected end of name token at byte offset 8`],
    ["an entity outside of the text", "sendMessage", say({ entities: [{ type: "bold", offset: 0, length: 9 }] }), 400, `${bad}ENTITY_BOUNDS_INVALID`],
    ["an entity without its length", "sendMessage", say({ entities: [{ type: "bold", offset: 0 }] }), 400, `${bad}can't parse MessageEntity: Can't find field "length"`],
    ["callback data of 65 bytes", "sendMessage", withButton({ callback_data: "x".repeat(65) }), 400, `${bad}BUTTON_DATA_INVALID`],
    ["callback data of 33 letters, 66 bytes", "sendMessage", withButton({ callback_data: "я".repeat(33) }), 400, `${bad}BUTTON_DATA_INVALID`],
    ["empty callback data", "sendMessage", withButton({ callback_data: "" }), 400, `${button}Text buttons are unallowed in the inline keyboard`],
    ["a button that does nothing", "sendMessage", withButton({}), 400, `${button}Text buttons are unallowed in the inline keyboard`],
    ["a button that does two things", "sendMessage", withButton({ callback_data: "a", url: "https://a.b" }), 400, `${button}exactly one action is allowed`],
    ["a button without words", "sendMessage", say({ reply_markup: keyboard({ callback_data: "a" }) }), 400, `${button}Can't find field "text"`],
    ["a button whose words are a number", "sendMessage", say({ reply_markup: keyboard({ text: 7, callback_data: "a" }) }), 400, `${button}Field "text" must be of type String`],
    ["an unknown field of a button", "sendMessage", withButton({ callback_data: "a", colour: "red" }), 400, `${button}unknown field "colour" in InlineKeyboardButton`],
    ["a button to no address", "sendMessage", withButton({ url: "nowhere" }), 400, `${bad}inline keyboard button URL 'nowhere' is invalid: Wrong HTTP URL`],
    ["a web app without TLS", "sendMessage", withButton({ web_app: { url: "http://a.b" } }), 400, `${bad}inline keyboard button Web App URL 'http://a.b' is invalid: Only HTTPS links are allowed`],
    ["101 buttons", "sendMessage", say({ reply_markup: { inline_keyboard: Array.from({ length: 101 }, () => [tap]) } }), 400, `${bad}reply markup is too long`],
    ["rows that are no rows", "sendMessage", say({ reply_markup: { inline_keyboard: [tap] } }), 400, `${bad}field "inline_keyboard" must be of type Array`],
    ["a markup that is a string", "sendMessage", say({ reply_markup: "[]" }), 400, `${bad}object expected as reply markup`],
    ["a markup that is none of the four", "sendMessage", say({ reply_markup: { keys: [] } }), 400, `${bad}object expected as reply markup`],
    ["a reply to nothing", "sendMessage", say({ reply_parameters: { message_id: 99999999 } }), 400, `${bad}message to be replied not found`],
    ["a reply to a person's message that the bot deleted", "sendMessage", () => say({ reply_parameters: { message_id: known.deletedByBot } })(), 400, `${bad}message to be replied not found`],
    ["a reply to another chat's message", "sendMessage", () => ({ chat_id: bob, text: "x", reply_parameters: { message_id: known.fromUser } }), 400, `${bad}message to be replied not found`],
    ["a reply to nobody in particular", "sendMessage", say({ reply_parameters: {} }), 400, `${bad}message to be replied not found`],
    ["a reply of the old API", "sendMessage", say({ reply_to_message_id: 1 }), 400, `${bad}unknown field "reply_to_message_id" in sendMessage`],
    ["an unknown field of a reply", "sendMessage", say({ reply_parameters: { id: 1 } }), 400, `${bad}can't parse reply parameters: unknown field "id" in ReplyParameters`],

    ["no photo", "sendPhoto", () => ({ chat_id: asya }), 400, `${bad}there is no photo in the request`],
    ["a caption of 1025 units", "sendPhoto", show({ caption: "x".repeat(1025) }), 400, `${bad}message caption is too long`],
    ["a file id with a wrong letter", "sendPhoto", show({ photo: "what is this" }), 400, `${bad}wrong remote file identifier specified: Wrong character in the string`],
    ["a file id cut off", "sendPhoto", () => ({ chat_id: asya, photo: known.photoFile.slice(0, 20) }), 400, `${bad}wrong remote file identifier specified: can't unserialize it. Wrong last symbol`],
    ["a file id of another kind", "sendPhoto", () => ({ chat_id: asya, photo: known.documentFile }), 400, `${bad}can't use file of type Document as Photo`],
    ["a person's file as a photo", "sendPhoto", () => ({ chat_id: asya, photo: known.personDocument.file_id }), 400, `${bad}can't use file of type Document as Photo`],
    ["a thumbnail as a photo", "sendPhoto", () => ({ chat_id: asya, photo: known.personDocument.thumbnail.file_id }), 400, `${bad}can't use file of type Thumbnail as Photo`],
    ["a person's photo as a document", "sendDocument", () => ({ chat_id: asya, document: known.personPhoto[0].file_id }), 400, `${bad}can't use file of type Photo as Document`],
    ["a photo that answers nothing", "sendPhoto", show({ reply_parameters: { message_id: 99999999 } }), 400, `${bad}message to be replied not found`],
    ["a file id of another bot", "sendPhoto", () => ({ chat_id: asya, photo: known.foreignFile }), 400, `${bad}wrong file identifier/HTTP URL specified`],
    ["a file id that was never given", "sendPhoto", () => ({ chat_id: asya, photo: known.unknownFile }), 400, `${bad}wrong file_id or the file is temporarily unavailable`],
    ["an address that cannot be reached", "sendPhoto", show({ photo: "https://127.0.0.1/a.png" }), 400, `${bad}failed to get HTTP URL content`],
    ["a part that is not there", "sendPhoto", show({ photo: "attach://nothing" }), 400, `${bad}wrong remote file identifier specified: Wrong character in the string`],
    ["a photo that is no picture", "sendPhoto", () => ({ chat_id: asya, photo: file("hello", "image/png", "a.png") }), 400, `${bad}IMAGE_PROCESS_FAILED`],
    ["an empty photo", "sendPhoto", () => ({ chat_id: asya, photo: file("", "image/png", "a.png") }), 400, `${bad}file must be non-empty`],
    ["a photo of over 10 MB", "sendPhoto", () => ({ chat_id: asya, photo: file(Buffer.alloc(10485761), "image/png", "a.png") }), 400, `${bad}file of size 10485761 bytes is too big for a photo; the maximum size is 10485760 bytes`],
    ["a photo with sides of 10001 together", "sendPhoto", () => ({ chat_id: asya, photo: header(5001, 5000) }), 400, `${bad}PHOTO_INVALID_DIMENSIONS`],
    ["a photo 21 times as wide as high", "sendPhoto", () => ({ chat_id: asya, photo: header(2100, 100) }), 400, `${bad}PHOTO_INVALID_DIMENSIONS`],
    ["an upload that no field names", "sendPhoto", () => ({ chat_id: asya, photo: known.photoFile, picture: png(9, 9) }), 400, `${bad}unknown field "picture" in sendPhoto`],
    ["no document", "sendDocument", () => ({ chat_id: asya }), 400, `${bad}there is no document in the request`],
    ["a document of over 50 MB", "sendDocument", () => ({ chat_id: asya, document: file(Buffer.alloc(52428801), "text/plain", "a") }), 413, "Request Entity Too Large"],
    ["no voice", "sendVoice", () => ({ chat_id: asya }), 400, `${bad}there is no voice in the request`],

    ["an album without media", "sendMediaGroup", () => ({ chat_id: asya }), 400, `${bad}parameter "media" is required`],
    ["an empty album", "sendMediaGroup", album(), 400, `${bad}there are no messages to send`],
    ["an album of one", "sendMediaGroup", () => album({ type: "photo", media: known.photoFile })(), 400, `${bad}media group must have 2-10 items`],
    ["an album of eleven", "sendMediaGroup", () => album(...Array(11).fill({ type: "photo", media: known.photoFile }))(), 400, `${bad}too many messages to send as an album`],
    ["an album of photos and documents", "sendMediaGroup", () => album({ type: "photo", media: known.photoFile }, { type: "document", media: known.documentFile })(), 400, `${bad}document can't be mixed with other media types`],
    ["a person's file in an album of photos", "sendMediaGroup", () => album({ type: "photo", media: known.photoFile }, { type: "photo", media: known.personDocument.file_id })(), 400, `${bad}can't use file of type Document as Photo`],
    ["an album with a photo of nobody", "sendMediaGroup", () => album({ type: "photo", media: known.photoFile }, { type: "photo", media: known.unknownFile })(), 400, `${bad}wrong file_id or the file is temporarily unavailable`],
    ["an album with buttons", "sendMediaGroup", () => ({ ...album({ type: "photo", media: known.photoFile }, { type: "photo", media: known.photoFile })(), reply_markup: keyboard(tap) }), 400, `${bad}unknown field "reply_markup" in sendMediaGroup`],
    ["an album of an unknown kind", "sendMediaGroup", album({ type: "sticker", media: "x" }, { type: "sticker", media: "x" }), 400, `${bad}can't parse InputMedia: type "sticker" can't be used in sendMediaGroup`],
    ["an album item without media", "sendMediaGroup", album({ type: "photo" }, { type: "photo" }), 400, `${bad}can't parse InputMedia: Can't find field "media"`],

    ["an edit of no message", "editMessageText", () => ({ chat_id: asya, text: "y" }), 400, `${bad}message identifier is not specified`],
    ["an edit of what does not exist", "editMessageText", edit({ message_id: 99999999, text: "y" }), 400, `${bad}message to edit not found`],
    ["an edit of what was deleted", "editMessageText", () => ({ chat_id: asya, message_id: known.gone, text: "y" }), 400, `${bad}message to edit not found`],
    ["an edit in another chat", "editMessageText", () => ({ chat_id: bob, message_id: known.text, text: "y" }), 400, `${bad}message to edit not found`],
    ["an edit of a person's words", "editMessageText", () => ({ chat_id: asya, message_id: known.fromUser, text: "y" }), 400, `${bad}message can't be edited`],
    ["an edit that changes nothing", "editMessageText", () => edit({ text: "<b>Hi</b>", parse_mode: "HTML", reply_markup: keyboard(tap) })(), 400, `${bad}message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message`],
    ["a text where there is none", "editMessageText", () => ({ chat_id: asya, message_id: known.photo, text: "y" }), 400, `${bad}there is no text in the message to edit`],
    ["an edit to nothing", "editMessageText", () => edit({ text: "" })(), 400, `${bad}message text is empty`],
    ["an edit with a keyboard of the other kind", "editMessageText", () => edit({ text: "y", reply_markup: { keyboard: [[{ text: "a" }]] } })(), 400, `${bad}inline keyboard expected`],
    ["a caption where there is none", "editMessageCaption", () => edit({ caption: "y" })(), 400, `${bad}there is no caption in the message to edit`],
    ["a caption too long", "editMessageCaption", () => ({ chat_id: asya, message_id: known.photo, caption: "x".repeat(1025) }), 400, `${bad}message caption is too long`],
    ["media of an unknown kind", "editMessageMedia", () => edit({ media: { type: "poll", media: "x" } })(), 400, `${bad}can't parse InputMedia: type "poll" is unsupported`],
    ["media without a kind", "editMessageMedia", () => edit({ media: { media: "x" } })(), 400, `${bad}can't parse InputMedia: Can't find field "type"`],
    ["a person's file where a photo is shown", "editMessageMedia", () => ({ chat_id: asya, message_id: known.photo, media: { type: "photo", media: known.personDocument.file_id } }), 400, `${bad}can't use file of type Document as Photo`],
    ["a picture that is none where one is shown", "editMessageMedia", () => ({ chat_id: asya, message_id: known.photo, fresh: file("hello", "image/png", "a.png"), media: { type: "photo", media: "attach://fresh" } }), 400, `${bad}IMAGE_PROCESS_FAILED`],
    ["media where a person's photo stands", "editMessageMedia", () => ({ chat_id: asya, message_id: known.fromUser, media: { type: "photo", media: known.photoFile } }), 400, `${bad}message can't be edited`],
    ["a document into a photo album", "editMessageMedia", () => ({ chat_id: asya, message_id: known.album, media: { type: "document", media: known.documentFile } }), 400, `${bad}can't use the media of the specified type in the album`],
    ["media that changes nothing", "editMessageMedia", () => ({ chat_id: asya, message_id: known.photo, media: { type: "photo", media: known.photoFile, caption: "a picture" } }), 400, `${bad}message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message`],
    ["a keyboard that changes nothing", "editMessageReplyMarkup", () => edit({ reply_markup: keyboard(tap) })(), 400, `${bad}message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message`],
    ["deleting what does not exist", "deleteMessage", () => ({ chat_id: asya, message_id: 99999999 }), 400, `${bad}message to delete not found`],
    ["deleting twice", "deleteMessage", () => ({ chat_id: asya, message_id: known.gone }), 400, `${bad}message to delete not found`],
    ["deleting a person's message twice", "deleteMessage", () => ({ chat_id: asya, message_id: known.deletedByBot }), 400, `${bad}message to delete not found`],
    ["deleting in another chat", "deleteMessage", () => ({ chat_id: bob, message_id: known.fromUser }), 400, `${bad}message to delete not found`],
    ["deleting nothing in particular", "deleteMessage", () => ({ chat_id: asya }), 400, `${bad}message identifier is not specified`],
    ["deleting 101 at once", "deleteMessages", () => ({ chat_id: asya, message_ids: Array.from({ length: 101 }, (_, i) => i + 1) }), 400, `${bad}field "message_ids" must be 1-100 items long`],

    ["an answer to no tap", "answerCallbackQuery", () => ({ callback_query_id: "12345" }), 400, `${bad}query is too old and response timeout expired or query ID is invalid`],
    ["an answer given twice", "answerCallbackQuery", () => ({ callback_query_id: known.answered }), 400, `${bad}query is too old and response timeout expired or query ID is invalid`],
    ["an answer of 201 units", "answerCallbackQuery", () => ({ callback_query_id: known.callback, text: "x".repeat(201) }), 400, `${bad}MESSAGE_TOO_LONG`],
    ["an action that is none", "sendChatAction", () => ({ chat_id: asya, action: "dancing" }), 400, `${bad}wrong parameter action in request`],
    ["no file id", "getFile", () => ({}), 400, `${bad}file_id not specified`],
    ["a file of no one", "getFile", () => ({ file_id: "abc" }), 400, `${bad}invalid file_id`],
    ["a person's file of over 20 MB", "getFile", () => ({ file_id: known.personLarge }), 400, `${bad}file is too big`],
    ["a file of over 20 MB", "getFile", () => ({ file_id: known.largeFile }), 400, `${bad}file is too big`],
    ["a command in capitals", "setMyCommands", () => ({ commands: [{ command: "Start", description: "x" }] }), 400, `${bad}BOT_COMMAND_INVALID`],
    ["a command without words", "setMyCommands", () => ({ commands: [{ command: "start", description: "" }] }), 400, `${bad}BOT_COMMAND_DESCRIPTION_INVALID`],
    ["101 commands", "setMyCommands", () => ({ commands: Array(101).fill({ command: "a", description: "x" }) }), 400, `${bad}BOT_COMMANDS_TOO_MUCH`],
    ["a scope that is none", "setMyCommands", () => ({ commands: [], scope: { type: "everybody" } }), 400, `${bad}can't parse BotCommandScope: Unsupported type specified`],
    ["a description of 513 units", "setMyDescription", () => ({ description: "x".repeat(513) }), 400, `${bad}field "description" must be 0-512 characters long`],
    ["an invoice without a title", "sendInvoice", without("title", invoice()), 400, `${bad}parameter "title" is required`],
    ["an empty title", "sendInvoice", invoice({ title: "" }), 400, `${bad}field "title" must be 1-32 characters long`],
    ["a title of 33 units", "sendInvoice", invoice({ title: "x".repeat(33) }), 400, `${bad}field "title" must be 1-32 characters long`],
    ["a description of 256 units", "sendInvoice", invoice({ description: "x".repeat(256) }), 400, `${bad}field "description" must be 1-255 characters long`],
    ["an invoice to a person who never wrote", "sendInvoice", invoice({ chat_id: stranger }), 403, "Forbidden: bot can't initiate conversation with a user"],
    ["an empty payload", "sendInvoice", invoice({ payload: "" }), 400, `${bad}INVOICE_PAYLOAD_INVALID`],
    ["a payload of 65 letters, 130 bytes", "sendInvoice", invoice({ payload: "я".repeat(65) }), 400, `${bad}INVOICE_PAYLOAD_INVALID`],
    ["another currency without a provider", "sendInvoice", invoice({ currency: "USD" }), 400, `${bad}PAYMENT_PROVIDER_INVALID`],
    ["Stars with a provider", "sendInvoice", invoice({ provider_token: "1:a" }), 400, `${bad}PAYMENT_PROVIDER_INVALID`],
    ["no prices", "sendInvoice", without("prices", invoice()), 400, `${bad}parameter "prices" is required`],
    ["no price among the prices", "sendInvoice", invoice({ prices: [] }), 400, `${bad}STARS_INVOICE_INVALID`],
    ["two prices", "sendInvoice", invoice({ prices: [price, price] }), 400, `${bad}STARS_INVOICE_INVALID`],
    ["a price without an amount", "sendInvoice", invoice({ prices: [{ label: "x" }] }), 400, `${bad}can't parse labeled price: Can't find field "amount"`],
    ["a price without words", "sendInvoice", invoice({ prices: [{ label: "", amount: 1 }] }), 400, `${bad}price label must be non-empty`],
    ["a price of words", "sendInvoice", invoice({ prices: [{ label: "x", amount: "5" }] }), 400, `${bad}can't parse labeled price: Field "amount" must be of type Integer`],
    ["a price of nothing", "sendInvoice", invoice({ prices: [{ label: "x", amount: 0 }] }), 400, `${bad}CURRENCY_TOTAL_AMOUNT_INVALID`],
    ["a tip, which Stars do not have", "sendInvoice", invoice({ max_tip_amount: 5 }), 400, `${bad}unknown field "max_tip_amount" in sendInvoice`],
    ["a name, which Stars do not ask for", "sendInvoice", invoice({ need_name: true }), 400, `${bad}unknown field "need_name" in sendInvoice`],
    ["an invoice that cannot be paid", "sendInvoice", invoice({ reply_markup: keyboard(tap) }), 400, `${bad}REPLY_MARKUP_BUY_EMPTY`],
    ["a paying button that stands second", "sendInvoice", invoice({ reply_markup: { inline_keyboard: [[{ text: "Pay", pay: true }], [{ text: "Pay", pay: true }]] } }), 400, `${bad}BUTTON_TYPE_INVALID`],
    ["a paying button where nothing is sold", "sendMessage", withButton({ pay: true }), 400, `${bad}BUTTON_TYPE_INVALID`],
    ["new words for an invoice", "editMessageText", () => ({ chat_id: asya, message_id: known.invoice, text: "x" }), 400, `${bad}there is no text in the message to edit`],
    ["a caption for an invoice", "editMessageCaption", () => ({ chat_id: asya, message_id: known.invoice, caption: "x" }), 400, `${bad}there is no caption in the message to edit`],
    ["an answer to no checkout", "answerPreCheckoutQuery", () => ({ pre_checkout_query_id: "12345", ok: true }), 400, late],
    ["an answer without a word", "answerPreCheckoutQuery", () => ({ pre_checkout_query_id: known.checkout }), 400, `${bad}parameter "ok" is required`],
    ["a no without a reason", "answerPreCheckoutQuery", () => ({ pre_checkout_query_id: known.checkout, ok: false }), 400, `${bad}ERROR_TEXT_EMPTY`],
    ["an answer to what is paid", "answerPreCheckoutQuery", () => ({ pre_checkout_query_id: known.paid, ok: true }), 400, late],
    ["a refund of nothing", "refundStarPayment", refund({ telegram_payment_charge_id: "none" }), 400, `${bad}CHARGE_NOT_FOUND`],
    ["a refund to somebody else", "refundStarPayment", refund({ user_id: bob }), 400, `${bad}CHARGE_NOT_FOUND`],
    ["a refund to a name", "refundStarPayment", refund({ user_id: "asya" }), 400, `${bad}field "user_id" must be of type Integer`],
    ["a second refund", "refundStarPayment", refund(), 400, `${bad}CHARGE_ALREADY_REFUNDED`],
    ["101 transactions at once", "getStarTransactions", () => ({ limit: 101 }), 400, `${bad}field "limit" must be 1-100`],

    ["a webhook without TLS", "setWebhook", () => ({ url: "http://a.b/" }), 400, `${bad}bad webhook: An HTTPS URL must be provided for webhook`],
    ["a secret with a space", "setWebhook", () => ({ url: "https://127.0.0.1:9/", secret_token: "a b" }), 400, `${bad}secret token contains unallowed characters`],
    ["101 connections", "setWebhook", () => ({ url: "https://127.0.0.1:9/", max_connections: 101 }), 400, `${bad}field "max_connections" must be 1-100`],
];

for (const [name, method, parameters, code, description] of refusals) {
    test(`${method}: ${name}`, async () => {
        const answer = await call(method, parameters());
        assert.deepEqual(answer, { ok: false, error_code: code, description });
    });
}

test("every refusal was counted, and nothing was shown for it", async () => {
    const counts = await control("counts");
    const expected = refusals.filter(([, , , code]) => code !== 403).length;
    assert.equal(counts.refused, expected);
    assert.ok(refusals.length >= 60, `${refusals.length} planted calls`);
    const seen = (await control(`messages?user=${asya}`)).messages;
    assert.equal(seen.filter((message) => message.text === "y" || message.text === "x").length, 0);
});

// -- what is not about one call's arguments --

const http = (path, options) => fetch(`${sandbox.url}/telegram/${path}`, options);

test("a wrong token is unauthorized", async () => {
    const response = await http("bot1:wrong/getMe");
    assert.equal(response.status, 401);
    assert.deepEqual(await response.json(), { ok: false, error_code: 401, description: "Unauthorized" });
});

test("broken bodies are refused", async () => {
    const path = `bot${sandbox.token}/sendMessage`;
    const post = async (type, body) => (await http(path, { method: "POST", headers: { "Content-Type": type }, body })).json();
    assert.equal((await post("application/json", "{")).description, `${bad}can't parse JSON object in the request`);
    assert.equal((await post("text/plain", "x")).description, `${bad}unsupported Content-Type of the request`);
    assert.equal((await post("multipart/form-data; boundary=b", "--b\r\nnothing")).description,
        `${bad}can't parse multipart/form-data of the request`);
    assert.equal((await post("application/x-www-form-urlencoded", `chat_id=${asya}&text=x&reply_markup={`)).description,
        `${bad}can't parse reply keyboard markup JSON object`);
    assert.equal((await post("application/x-www-form-urlencoded", `chat_id=${asya}&text=x&protect_content=maybe`)).description,
        `${bad}field "protect_content" must be of type Boolean`);
    assert.equal((await post("application/x-www-form-urlencoded", `chat_id=${asya}&text=%ff`)).description,
        `${bad}strings must be encoded in UTF-8`);
});

test("too many requests come with the time to wait, in both places", async () => {
    await control("fault", { name: "telegram.429", value: { retry_after: 7, times: 1 } });
    const response = await http(`bot${sandbox.token}/getMe`);
    assert.equal(response.status, 429);
    assert.equal(response.headers.get("retry-after"), "7");
    assert.deepEqual(await response.json(), {
        ok: false, error_code: 429, description: "Too Many Requests: retry after 7", parameters: { retry_after: 7 } });
    assert.equal((await call("getMe")).ok, true);
});

test("pacing lets a short burst through, then one message a second", async () => {
    await control("fault", { name: "telegram.pacing", value: true });
    const codes = [];
    for (let i = 0; i < 5; i++) codes.push((await call("sendMessage", { chat_id: bob, text: `n${i}` })).error_code ?? 200);
    await control("fault", { name: "telegram.pacing", value: null });
    assert.deepEqual(codes, [200, 200, 200, 429, 429]);
});

test("a server that is down answers with HTML", async () => {
    await control("fault", { name: "telegram.down", value: true });
    const response = await http(`bot${sandbox.token}/getMe`);
    await control("fault", { name: "telegram.down", value: null });
    assert.equal(response.status, 502);
    assert.match(await response.text(), /<html>/);
});

// -- good calls --

test("the limits themselves are allowed", async () => {
    await good("sendMessage", { chat_id: asya, text: "x".repeat(4096) });
    await good("sendMessage", { chat_id: asya, text: `<b>${"😀".repeat(2048)}</b>`, parse_mode: "html" });
    await good("sendMessage", { chat_id: String(asya), text: " x ", reply_markup: keyboard({ text: "я", callback_data: "я".repeat(32) }) });
    await good("sendPhoto", { chat_id: asya, photo: header(9500, 500), caption: "x".repeat(1024) });
    await good("sendPhoto", { chat_id: asya, photo: header(2000, 100) });
});

test("HTML becomes text and entities in UTF-16", async () => {
    const message = await good("sendMessage", { chat_id: asya, parse_mode: "HTML",
        text: ' 😀 <b>a &amp; <i>b</i></b> <a href="https://a.b/?q=1&amp;r=2">l</a> <pre><code class="language-c">x&lt;y</code></pre> <blockquote expandable>q</blockquote>&#33; ' });
    assert.equal(message.text, "😀 a & b l x<y q!");
    assert.deepEqual(message.entities, [
        { offset: 3, length: 5, type: "bold" }, { offset: 7, length: 1, type: "italic" },
        { offset: 9, length: 1, type: "text_link", url: "https://a.b/?q=1&r=2" },
        { offset: 11, length: 3, type: "pre", language: "c" },
        { offset: 15, length: 1, type: "expandable_blockquote" },
    ]);
});

test("commands, links and mentions are found", async () => {
    const message = await good("sendMessage", { chat_id: asya, text: "/start see https://a.b/c. or @someone #tag" });
    assert.deepEqual(message.entities.map(({ type, offset, length }) => [type, offset, length]), [
        ["bot_command", 0, 6], ["url", 11, 13], ["mention", 29, 8], ["hashtag", 38, 4]]);
});

test("a photo comes in sizes, is sent again by id, loaded, and edited", async () => {
    const sent = await good("sendPhoto", { chat_id: asya, photo: png(1024, 512) });
    assert.deepEqual(sent.photo.map((size) => [size.width, size.height]), [[90, 45], [320, 160], [800, 400], [1024, 512]]);
    const again = await good("sendPhoto", { chat_id: bob, photo: sent.photo[0].file_id, caption: "<i>c</i>", parse_mode: "HTML" });
    assert.equal(again.caption, "c");
    const about = await good("getFile", { file_id: again.photo.at(-1).file_id });
    const response = await http(`file/bot${sandbox.token}/${about.file_path}`);
    assert.equal((await response.arrayBuffer()).byteLength, about.file_size);
    const edited = await good("editMessageMedia", { chat_id: bob, message_id: again.message_id, fresh: png(80, 60),
        media: { type: "photo", media: "attach://fresh", caption: "new" }, reply_markup: keyboard(tap) });
    assert.equal(edited.photo.at(-1).width, 80);
    assert.equal(edited.reply_markup.inline_keyboard[0][0].callback_data, "menu:open");
    const bare = await good("editMessageCaption", { chat_id: bob, message_id: again.message_id, caption: "newer" });
    assert.equal(bare.reply_markup, undefined); // an edit without markup takes the buttons away
});

test("what a person sends is loaded: a photo in each size, a file as it was", async () => {
    const load = async (fileId) => {
        const about = await good("getFile", { file_id: fileId });
        return { path: about.file_path, bytes: Buffer.from(await (await http(`file/bot${sandbox.token}/${about.file_path}`)).arrayBuffer()) };
    };
    for (const size of known.personPhoto) {
        const { path, bytes } = await load(size.file_id);
        assert.match(path, /^photos\/.*\.jpg$/);
        assert.equal(bytes.length, size.file_size);
    }
    assert.deepEqual(known.personPhoto.map((size) => size.width), [68, 240, 600]);
    const { path, bytes } = await load(known.personDocument.file_id);
    assert.match(path, /^documents\//);
    assert.ok(bytes.equals(portrait(2).bytes));
    await load(known.personDocument.thumbnail.file_id);
    await good("sendPhoto", { chat_id: asya, photo: known.personPhoto[0].file_id });
});

test("a person's photo that Telegram takes for none is refused, and as one of several goes as a file", async () => {
    const encoded = ({ bytes }) => bytes.toString("base64");
    for (const one of [tooWide(3), broken(3), notPicture])
        assert.equal((await act(asya, "photo", { bytes: encoded(one) })).ok, false);
    const { message_ids: ids } = await act(asya, "files", { caption: "both", files: [tooWide(3), portrait(3)].map((one) => ({ kind: "photo", bytes: encoded(one) })) });
    const seen = (await control(`messages?user=${asya}&limit=1000`)).messages.filter((message) => ids.includes(message.message_id));
    assert.deepEqual(seen.map((message) => [message.kind, message.text ?? ""]), [["photo", "both"], ["document", ""]]);
});

test("the same picture gives the same photo, byte for byte", async () => {
    const bytes = portrait(4).bytes.toString("base64");
    const ids = [await act(asya, "photo", { bytes }), await act(asya, "photo", { bytes })].map((answer) => answer.message_id);
    const seen = (await control(`messages?user=${asya}&limit=1000`)).messages.filter((message) => ids.includes(message.message_id));
    assert.equal(new Set(seen.map((message) => message.media.sha256)).size, 1);
    assert.equal(new Set(seen.map((message) => message.media.file_id)).size, 2);
});

test("an answer is a reply, goes out without what it answers when it may, and its photo may become another", async () => {
    const reply = await good("sendMessage", { chat_id: asya, text: "r", reply_parameters: { message_id: known.fromUser } });
    assert.equal(reply.reply_to_message.text, "words of Asya");
    const alone = await good("sendMessage", { chat_id: asya, text: "r", reply_parameters: { message_id: known.deletedByBot, allow_sending_without_reply: true } });
    assert.equal(alone.reply_to_message, undefined);
    const photo = await good("sendPhoto", { chat_id: asya, photo: known.personPhoto.at(-1).file_id, reply_parameters: { message_id: known.fromUser } });
    assert.equal(photo.reply_to_message.message_id, known.fromUser);
    const other = await good("editMessageMedia", { chat_id: asya, message_id: photo.message_id, media: { type: "photo", media: known.photoFile } });
    assert.equal(other.photo.at(-1).file_id, known.photoFile);
    const { message_id: mine } = await act(asya, "text", { text: "delete me" });
    assert.equal(await good("deleteMessage", { chat_id: asya, message_id: mine }), true);
});

test("a text message may become a photo", async () => {
    const sent = await good("sendMessage", { chat_id: asya, text: "wait" });
    const edited = await good("editMessageMedia", { chat_id: asya, message_id: sent.message_id, media: { type: "photo", media: known.photoFile } });
    assert.equal(edited.text, undefined);
    assert.ok(edited.photo.length);
});

test("an album is several messages of one group", async () => {
    const sent = await good("sendMediaGroup", { chat_id: asya, one: png(40, 40), two: png(50, 50),
        media: [{ type: "photo", media: "attach://one", caption: "1" }, { type: "photo", media: "attach://two" }] });
    assert.equal(sent.length, 2);
    assert.equal(sent[0].media_group_id, sent[1].media_group_id);
});

test("taps, deletions, commands and descriptions", async () => {
    await good("answerCallbackQuery", { callback_query_id: known.callback, text: "ok", show_alert: true });
    const taps = (await control(`callbacks?user=${asya}`)).callbacks;
    assert.equal(taps.find((one) => one.id === known.callback).answer.text, "ok");
    const one = await good("sendMessage", { chat_id: asya, text: "1" });
    await good("deleteMessages", { chat_id: asya, message_ids: [one.message_id, 99999999] });
    await good("setMyCommands", { commands: [{ command: "start", description: "Begin" }], language_code: "en" });
    assert.deepEqual(await good("getMyCommands", { language_code: "en" }), [{ command: "start", description: "Begin" }]);
    await good("setMyDescription", { description: "d" });
    assert.deepEqual(await good("getMyDescription"), { description: "d" });
});

test("method names are case-insensitive, and a query string will do", async () => {
    const answer = await (await http(`bot${sandbox.token}/SENDMESSAGE?chat_id=${asya}&text=a%20b+c&disable_notification=true`)).json();
    assert.equal(answer.result.text, "a b c");
});

// -- Stars --

const sell = (more) => good("sendInvoice", { chat_id: bob, title: "Coins", description: "Some coins", payload: "order 7", currency: "XTR", prices: [{ label: "Coins", amount: 100 }], ...more });
const checkout = async (id) => (await control(`checkouts?user=${bob}`)).checkouts.find((one) => one.id === id);
const answer = (id, more) => call("answerPreCheckoutQuery", { pre_checkout_query_id: id, ...more });
// What came to the bot since the last time it asked.
let seenUpdate = 0;
async function news(kind) {
    const updates = await good("getUpdates", { offset: seenUpdate + 1 });
    seenUpdate = updates.at(-1)?.update_id ?? seenUpdate;
    return updates.map((update) => update[kind] ?? update.message?.[kind]).filter(Boolean);
}

test("an invoice is paid with the bot's word, told of, listed and refunded", async () => {
    const before = (await good("getMyStarBalance")).amount;
    const sent = await sell({ start_parameter: "topup", reply_markup: { inline_keyboard: [[{ text: "Pay XTR 100", pay: true }], [tap]] } });
    assert.deepEqual(sent.invoice, { title: "Coins", description: "Some coins", start_parameter: "topup", currency: "XTR", total_amount: 100 });
    assert.equal(sent.payload, undefined);
    await news("message");
    const { checkout_id: id } = await act(bob, "pay", { message_id: sent.message_id });
    const [query] = await news("pre_checkout_query");
    assert.deepEqual([query.id, query.from.id, query.currency, query.total_amount, query.invoice_payload], [id, bob, "XTR", 100, "order 7"]);
    assert.equal((await answer(id, { ok: true })).ok, true);
    assert.equal((await checkout(id)).state, "paid");
    const [paid] = await news("successful_payment");
    assert.deepEqual([paid.currency, paid.total_amount, paid.invoice_payload], ["XTR", 100, "order 7"]);
    assert.equal((await act(bob, "pay", { message_id: sent.message_id })).ok, false, "an invoice is paid once");
    const charge = paid.telegram_payment_charge_id;
    const listed = (await good("getStarTransactions", { offset: 0, limit: 100 })).transactions.find((one) => one.id === charge);
    assert.deepEqual([listed.amount, listed.source.user.id, listed.source.invoice_payload, listed.receiver], [100, bob, "order 7", undefined]);
    assert.equal((await good("getMyStarBalance")).amount, before + 100);
    await good("refundStarPayment", { user_id: bob, telegram_payment_charge_id: charge });
    const [refunded] = await news("refunded_payment");
    assert.deepEqual([refunded.telegram_payment_charge_id, refunded.total_amount], [charge, 100]);
    assert.equal((await good("getMyStarBalance")).amount, before);
    assert.equal((await good("getStarTransactions", { offset: 1, limit: 1 })).transactions.length, 1);
});

test("a no is shown in the bot's words, and nothing is paid", async () => {
    const { checkout_id: id } = await act(bob, "pay", { message_id: (await sell()).message_id });
    assert.equal((await answer(id, { ok: false, error_message: "Sold out" })).ok, true);
    const { state, words } = await checkout(id);
    assert.deepEqual([state, words], ["refused", "Sold out"]);
    assert.equal((await answer(id, { ok: true })).ok, false, "there is no second answer");
});

test("who has too few Stars cannot begin, and knobs make payments fail and come thrice", async () => {
    await control("person", { id: bob, first_name: "B", language_code: "en", stars: 150 });
    const dear = (await sell({ prices: [{ label: "Coins", amount: 151 }] })).message_id;
    assert.equal((await act(bob, "pay", { message_id: dear })).why, "there are not enough Stars");
    await control("fault", { name: "telegram.pre_checkout", value: "fail" });
    const { checkout_id: failing } = await act(bob, "pay", { message_id: (await sell()).message_id });
    await answer(failing, { ok: true });
    assert.equal((await checkout(failing)).state, "failed");
    await control("fault", { name: "telegram.pre_checkout", value: "lost" });
    const { checkout_id: lost } = await act(bob, "pay", { message_id: (await sell()).message_id });
    assert.equal((await answer(lost, { ok: true })).ok, true);
    assert.equal((await checkout(lost)).state, "asked");
    await control("fault", { name: "telegram.pre_checkout", value: null });
    await control("fault", { name: "telegram.payment_copies", value: 3 });
    await news("message");
    const { checkout_id: id } = await act(bob, "pay", { message_id: (await sell()).message_id });
    await answer(id, { ok: true });
    const told = await news("successful_payment");
    assert.equal(told.length, 3);
    assert.equal(new Set(told.map((one) => one.telegram_payment_charge_id)).size, 1);
    await control("fault", { name: "telegram.payment_copies", value: null });
});
