// The sandbox's OpenAI: what it hears and says, what it refuses, and the faults that can be ordered.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { picture } from "../e2e/lib/picture.mjs";
import { startSandbox } from "../e2e/lib/sandbox.mjs";
import { encode, RATE, speak, wav } from "../e2e/lib/voice.mjs";

const key = { Authorization: "Bearer sk-test" };
const planted = ["маяк стоит у моря", "ёж съел щуку", "lighthouse by the-sea 2026"];
let sandbox, recording;

before(async () => {
    sandbox = await startSandbox();
    recording = speak([{ pause: 0.5 }, { words: planted[0] }, { pause: 1 }, { words: planted[1] }, { pause: 3 }, { words: planted[2] }, { pause: 0.5 }], { voice: false });
});
after(() => sandbox.stop());

const ordered = new Set();
const control = async (name, value) => {
    ordered.add(name);
    await fetch(`${sandbox.url}/control/fault`, { method: "POST", body: JSON.stringify({ name, value }) });
};
afterEach(async () => {
    for (const name of ordered) await control(name, null);
    ordered.clear();
});
const asked = async (path) => (await fetch(`${sandbox.url}/control/${path}`)).json();
const lastCall = async () => (await asked("openai?limit=1000")).calls.at(-1);

async function send(path, options) {
    const response = await fetch(`${sandbox.url}/openai/v1/${path}`, { method: "POST", headers: key, ...options });
    const text = await response.text();
    const isJson = response.headers.get("content-type").startsWith("application/json");
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
}

// fields: pairs, so that a name can come twice. null leaves the file out.
function transcribe(fields, bytes = recording, name = "voice.wav") {
    const form = new FormData();
    for (const [field, value] of fields) form.append(field, value);
    if (bytes) form.append("file", new Blob([bytes]), name);
    return send("audio/transcriptions", { body: form });
}
const whisper = [["model", "whisper-1"], ["response_format", "verbose_json"]];

const chat = (body) => send("chat/completions", {
    body: typeof body === "string" ? body : JSON.stringify(body), headers: { ...key, "Content-Type": "application/json" },
});
const says = (text, instruction, more = {}) => ({
    model: "gpt-4o", messages: [...(instruction ? [{ role: "system", content: instruction }] : []), { role: "user", content: text }], ...more,
});
const wordsOf = async (body) => {
    const answer = await chat(body);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body.choices[0].message.content;
};
const shown = (colour) => ({ type: "image_url", image_url: { url: `data:image/png;base64,${picture(64, 48, colour).toString("base64")}` } });

// ---- speech

test("words are heard in their order, with their times, in every format", async () => {
    for (const format of ["wav", "ogg", "mp3", "m4a", "flac", "webm"]) {
        const { status, body } = await transcribe(whisper, encode(recording, format), `voice.${format}`);
        assert.equal(status, 200, JSON.stringify(body));
        assert.equal(body.text, planted.map((words) => `${words.replaceAll("ё", "е")}.`).join(" "), format);
        assert.equal(body.segments.length, 3);
        assert.ok(Math.abs(body.segments[0].start - 0.5) < 0.15, `${format} begins at ${body.segments[0].start}`);
        assert.ok(body.segments[1].start - body.segments[0].end > 0.9 && body.segments[2].start - body.segments[1].end > 2.9);
        assert.ok(Math.abs(body.duration - (recording.length - 44) / 2 / RATE) < 0.15);
        assert.equal(body.usage.seconds, Math.ceil(body.duration));
        assert.equal(body.language, "russian");
    }
});

test("words outlive small rates and being encoded three times", async () => {
    const worn = encode(encode(encode(recording, "ogg", ["-b:a", "12k"]), "mp3", ["-b:a", "24k"]), "ogg", ["-b:a", "16k"]);
    assert.equal((await transcribe(whisper, worn, "a.ogg")).body.text.split(".").length, 4);
});

test("a recording cut in a silence says the same in two pieces", async () => {
    const heard = [];
    for (const cut of [["-t", "6.5"], ["-ss", "6.5"]]) heard.push((await transcribe(whisper, encode(recording, "ogg", cut), "a.ogg")).body.text);
    assert.notEqual(heard[0], "");
    assert.equal(heard.join(" "), planted.map((words) => `${words.replaceAll("ё", "е")}.`).join(" "));
});

test("silence is nothing, and what holds no word is a sound", async () => {
    assert.equal((await transcribe(whisper, wav(new Float32Array(RATE)))).body.text, "");
    const filler = speak([{ filler: "это никто не поймёт" }]);
    assert.match((await transcribe([...whisper, ["language", "ru"]], filler)).body.text, /^\[неразборчиво, \d\.\d с\]$/);
    assert.match((await transcribe([...whisper, ["language", "en"]], filler)).body.text, /^\[inaudible, \d\.\d s\]$/);
});

test("the other models give no times and stop early", async () => {
    const long = speak([{ words: "один" }, { pause: 121 }, { words: "два" }], { voice: false });
    const { body } = await transcribe([["model", "gpt-4o-transcribe"]], encode(long, "ogg"), "a.ogg");
    assert.deepEqual(Object.keys(body), ["text", "usage"]);
    assert.equal(body.text, "один.");
    assert.equal(body.usage.total_tokens, body.usage.input_tokens + body.usage.output_tokens);
    assert.equal((await transcribe(whisper, encode(long, "ogg"), "a.ogg")).body.text, "один. два.");
});

test("what is heard is counted and kept", async () => {
    const before = await asked("heard");
    await transcribe([...whisper, ["prompt", "Ася"]]);
    await transcribe(whisper, Buffer.from("no sound"));
    const heard = await asked("heard");
    assert.equal(heard.recordings - before.recordings, 1);
    assert.ok(Math.abs(heard.heard_ms - before.heard_ms - (recording.length - 44) / 2 / RATE * 1000) < 5);
    const call = (await asked("openai?kind=transcriptions&limit=1000")).calls.at(-2);
    assert.equal(call.asked.prompt, "Ася");
    assert.equal(call.asked.file.size, recording.length);
});

test("recordings and forms that are refused", async () => {
    const rows = [
        [[["response_format", "json"]], 400, /model/],
        [[["model", "whisper-9"]], 404, /whisper-9/],
        [[...whisper, ["model", "whisper-1"]], 400, /twice/],
        [[...whisper, ["voice", "x"]], 400, /voice/],
        [[["model", "whisper-1"], ["response_format", "xml"]], 400, /json/],
        [[["model", "gpt-4o-transcribe"], ["response_format", "verbose_json"]], 400, /not compatible/],
        [[["model", "whisper-1"], ["timestamp_granularities[]", "segment"]], 400, /verbose_json/],
        [[...whisper, ["timestamp_granularities[]", "word"]], 400, /segment/],
        [[...whisper, ["language", "russian"]], 400, /ISO-639-1/],
        [[...whisper, ["language", "RU"]], 400, /ISO-639-1/],
        [[...whisper, ["temperature", "2"]], 400, /0 to 1/],
        [[...whisper, ["temperature", "warm"]], 400, /0 to 1/],
        [[...whisper, ["prompt", ""]], 400, /prompt/],
        [whisper, 400, /file/, null],
        [whisper, 400, /Unrecognized file format/, recording, "voice.oga"],
        [whisper, 400, /Unrecognized file format/, recording, "voice"],
        [whisper, 400, /corrupted/, Buffer.from("OggS and nothing")],
        [whisper, 400, /corrupted/, Buffer.from("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n"), "a.mp3"],
        [whisper, 400, /too short/, wav(new Float32Array(RATE / 20))],
        [whisper, 413, /26214400/, Buffer.alloc((25 << 20) + 1)],
    ];
    for (const [fields, status, words, bytes, name] of rows) {
        const answer = await transcribe(fields, bytes, name);
        assert.equal(answer.status, status, JSON.stringify([fields, answer.body]));
        assert.match(answer.body.error.message, words);
        assert.deepEqual(Object.keys(answer.body.error), ["message", "type", "param", "code"]);
        assert.ok(answer.headers.get("x-request-id"));
    }
    assert.equal((await send("audio/transcriptions", { body: "{}" })).status, 400);
});

// ---- chats

test("answers are made of what was sent", async () => {
    assert.equal(await wordsOf(says("Старый маяк у моря, Ася", "Translate into English.")), "old lighthouse by sea, asya");
    assert.match(await wordsOf(says("old lighthouse", "Enhance the prompt.")), /^old lighthouse, .* lens, /);
    const both = await wordsOf(says("маяк", "Translate and enhance."));
    assert.match(both, /^lighthouse, /);
    assert.notEqual(both.slice(10), (await wordsOf(says("кот", "Translate and enhance."))).slice(3));
    assert.equal(await wordsOf(says("First thing. Second thing. Third thing.", "Sum it up.")), "- First thing.\n- Second thing.\n- Third thing.");
    const many = Array.from({ length: 40 }, (_, i) => `Sentence ${i}.`).join(" ");
    assert.match(await wordsOf(says(many)), /^- Sentence 0\.\n(- .*\n){4}- Sentence 39\.$/);
});

test("JSON has the shape that the instruction shows", async () => {
    const answer = await wordsOf(says("маяк. кот.", 'Translate. Answer in JSON: {"prompt": "…", "tags": ["…"], "sure": true}', { response_format: { type: "json_object" } }));
    assert.deepEqual(JSON.parse(answer), { prompt: "lighthouse. cat.", tags: ["lighthouse. cat."], sure: true });
    assert.deepEqual(JSON.parse(await wordsOf(says("a json", "", { response_format: { type: "json_object" } }))), { text: "- a json" });
});

test("a picture is looked at", async () => {
    const look = (colour) => wordsOf({ model: "gpt-4o", messages: [{ role: "user", content: [{ type: "text", text: "Describe." }, shown(colour)] }] });
    assert.match(await look([220, 20, 20]), /red and red above/);
    assert.match(await look([10, 10, 10]), /dark picture of 64x48, black/);
    assert.match(await wordsOf({ model: "gpt-4o", messages: [{ role: "user", content: [shown([20, 20, 220])] }] }), /64x48, blue and blue above, .* below$/, "without words");
    const instruction = 'Say what it shows, as JSON: {"words": "… in Russian", "prompt": "in English"}';
    const both = JSON.parse(await wordsOf({
        model: "gpt-4o", response_format: { type: "json_object" },
        messages: [{ role: "system", content: instruction }, { role: "user", content: [{ type: "text", text: "маяк" }, shown([220, 20, 20])] }],
    }));
    assert.match(both.words, /картинка 64x48, вверху красное и красное, .*, маяк$/);
    assert.match(both.prompt, /picture of 64x48, red and red above, .*, lighthouse$/);
    await look([1, 2, 3]);
    assert.match((await lastCall()).asked.messages[0].content[1].image_url.url, /^data:image\/png;base64, \d+ bytes, sha256 [0-9a-f]{64}$/);
});

test("usage, length and refusal are told", async () => {
    const { body } = await chat(says("маяк ".repeat(200), "Translate.", { max_completion_tokens: 10 }));
    assert.equal(body.choices[0].finish_reason, "length");
    assert.equal(body.usage.completion_tokens, 10);
    assert.ok(body.usage.prompt_tokens > 100 && body.object === "chat.completion");
    const refused = (await chat(says("[refused] маяк"))).body.choices[0].message;
    assert.equal(refused.content, null);
    assert.match(refused.refusal, /sorry/);
});

test("chats that are refused", async () => {
    const message = (content, role = "user") => ({ model: "gpt-4o", messages: [{ role, content }] });
    const rows = [
        ["{", 400, /parse/],
        [{ messages: [{ role: "user", content: "x" }] }, 400, /model/],
        [{ ...says("x"), model: "gpt-77" }, 404, /gpt-77/],
        [{ ...says("x"), max_tokens: 5 }, 400, /max_tokens/],
        [{ ...says("x"), mesages: [] }, 400, /mesages/],
        [{ model: "gpt-4o", messages: [] }, 400, /not be|not empty/],
        [{ model: "gpt-4o", messages: [{ role: "system", content: "x" }] }, 400, /user/],
        [{ model: "gpt-4o", messages: [{ role: "user", content: "x", nmae: "y" }] }, 400, /nmae/],
        [message("x", "boss"), 400, /role/],
        [message(""), 400, /without words/],
        [message([]), 400, /list of parts/],
        [message([{ type: "text", text: "x" }], "system"), 400, /list of parts/],
        [message([{ type: "video", video: "x" }]), 400, /neither/],
        [message([{ type: "text", txt: "x" }]), 400, /txt/],
        [message([{ type: "image_url", image_url: { url: "https://example.com/a.png" } }]), 400, /data URLs/],
        [message([{ type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }]), 400, /cannot be read/],
        [message([{ type: "image_url", image_url: { ...shown([1, 2, 3]).image_url, detail: "much" } }]), 400, /detail/],
        [says("x", "", { max_completion_tokens: 0 }), 400, /16384/],
        [says("x", "", { temperature: 3 }), 400, /0 to 2/],
        [{ ...says("x", "", { temperature: 0.5 }), model: "o3-mini" }, 400, /temperature/],
        [says("x", "", { response_format: { type: "json_object" } }), 400, /'json'/],
        [says("json", "", { response_format: { type: "xml" } }), 400, /json_object/],
        [says("json", "", { response_format: "json" }), 400, /object/],
    ];
    for (const [body, status, words] of rows) {
        const answer = await chat(body);
        assert.equal(answer.status, status, JSON.stringify([body, answer.body]));
        assert.match(`${answer.body.error.message} ${answer.body.error.param}`, words);
    }
});

test("the door", async () => {
    assert.equal((await send("chat/completions", { headers: { Authorization: "Bearer sk-other" }, body: "{}" })).status, 401);
    assert.equal((await send("chat/completions", { method: "GET" })).status, 405);
    assert.equal((await send("embeddings", { body: "{}" })).status, 404);
});

// ---- faults

test("a status instead of an answer, for all or for one kind, for ever or so many times", async () => {
    await control("openai.answer", { value: 500, times: 1 });
    assert.equal((await chat(says("x"))).status, 500);
    assert.equal((await chat(says("x"))).status, 200);
    await control("openai.answer:chat", 401);
    const { status, body } = await chat(says("x"));
    assert.deepEqual([status, body.error.code], [401, "invalid_api_key"]);
    assert.equal((await transcribe(whisper)).status, 200);
});

test("a limit tells when it ends, an empty account does not", async () => {
    await control("openai.429", { retry_after: 7, times: 1 });
    const limited = await chat(says("x"));
    assert.deepEqual([limited.status, limited.body.error.code], [429, "rate_limit_exceeded"]);
    assert.equal(limited.headers.get("retry-after"), "7");
    assert.equal(limited.headers.get("x-ratelimit-remaining-requests"), "0");
    assert.equal(limited.headers.get("x-ratelimit-reset-requests"), "7s");
    await control("openai.quota", true);
    const empty = await chat(says("x"));
    assert.deepEqual([empty.status, empty.body.error.type, empty.body.error.code], [429, "insufficient_quota", "insufficient_quota"]);
    assert.equal(empty.headers.get("retry-after"), null);
});

test("slowness, and silence that ends when it is taken back", async () => {
    await control("openai.seconds", 0.5);
    const began = Date.now();
    assert.equal((await chat(says("x"))).status, 200);
    assert.ok(Date.now() - began >= 490);
    await control("openai.answer", "blackhole");
    const silent = chat(says("x"));
    let isOver = false;
    silent.then(() => (isOver = true));
    while (!(await asked("faults")).faults.some((fault) => fault.name === "openai.answer")) assert.ok(!isOver);
    assert.ok(!isOver);
    await control("openai.answer", null);
    assert.equal((await silent).status, 504);
});

test("an answer that is lost was worked for", async () => {
    const before = await asked("heard");
    await control("openai.lost:transcriptions", { value: true, times: 1 });
    const lost = await transcribe(whisper);
    assert.equal(lost.status, 502);
    assert.match(lost.body, /<html>/);
    assert.equal((await asked("heard")).recordings - before.recordings, 1);
    assert.equal((await transcribe(whisper)).status, 200);
});

test("a chat that will not answer, or breaks off", async () => {
    await control("openai.refusal", { value: true, times: 1 });
    assert.match((await chat(says("x"))).body.choices[0].message.refusal, /sorry/);
    await control("openai.cut", { value: true, times: 1 });
    assert.equal((await chat(says("маяк у моря", "Translate."))).body.choices[0].finish_reason, "length");
});
