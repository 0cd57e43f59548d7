// fal_test.mjs - the FAL that the sandbox plays: its queue, its pictures, its
// refusals, its signed callbacks and every way in which they go astray. The
// test is the bot; signatures are checked by Node's own cryptography.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, createPublicKey, verify } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { png, readPng } from "../e2e/lib/picture.mjs";
import { startSandbox } from "../e2e/lib/sandbox.mjs";
import { zip } from "../e2e/lib/zip.mjs";

const imagen = "fal-ai/imagen4/preview";
const key = { Authorization: "Key test:key" };
let folder, hook, sandbox, arrived, answerWith;

async function json(path, options = {}) {
    const url = path.startsWith("http") ? path : `${sandbox.url}/fal/${path}`;
    const response = await fetch(url, { headers: key, ...options });
    return { status: response.status, headers: response.headers, body: await response.json() };
}

const fault = (name, value) => fetch(`${sandbox.url}/control/fault`, { method: "POST", body: JSON.stringify({ name, value }) });

// Asks again and again; nothing here sleeps for a fixed time to be right.
async function until(holds, what) {
    for (let attempt = 0; attempt < 1500; attempt++) {
        const value = await holds();
        if (value) return value;
        await new Promise((done) => setTimeout(done, 20));
    }
    throw new Error(`${what} did not come to be`);
}

function makeCertificate() {
    execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
        "-keyout", join(folder, "key.pem"), "-out", join(folder, "cert.pem")], { stdio: "ignore" });
}

async function startHook() {
    const pems = { key: readFileSync(join(folder, "key.pem")), cert: readFileSync(join(folder, "cert.pem")) };
    const server = createServer(pems, (request, response) => {
        const pieces = [];
        request.on("data", (piece) => pieces.push(piece));
        request.on("end", async () => {
            const raw = Buffer.concat(pieces);
            const one = { raw, body: JSON.parse(raw), headers: request.headers, path: request.url };
            arrived.push(one);
            response.writeHead(await answerWith(one)).end("{}");
        });
    });
    await new Promise((done) => server.listen(0, "127.0.0.1", done));
    return server;
}

const hookUrl = (token) => `https://127.0.0.1:${hook.address().port}/webhook/fal/image?token=${token}`;

async function submit(input, { model = imagen, token } = {}) {
    const query = token ? `?fal_webhook=${encodeURIComponent(hookUrl(token))}` : "";
    return json(`queue/${model}${query}`, { method: "POST", body: JSON.stringify(input) });
}

const completed = (request) => until(async () => {
    const status = await json(request.status_url);
    return status.status === 200 && status;
}, "a completed request");

const arrivedFor = (token) => arrived.filter((one) => one.path.endsWith(`token=${token}`));
const callback = (token, count = 1) => until(() => arrivedFor(token).length >= count && arrivedFor(token)[count - 1], "a callback");
const jwks = async () => (await json("rest/.well-known/jwks.json", { headers: {} })).body.keys;

async function isGenuine({ raw, headers }) {
    const message = [headers["x-fal-webhook-request-id"], headers["x-fal-webhook-user-id"],
        headers["x-fal-webhook-timestamp"], createHash("sha256").update(raw).digest("hex")].join("\n");
    const signature = Buffer.from(headers["x-fal-webhook-signature"], "hex");
    return (await jwks()).some((jwk) => verify(null, Buffer.from(message), createPublicKey({ key: jwk, format: "jwk" }), signature));
}

// Width and height stand at a fixed place of a PNG; those of a JPEG behind its SOF mark.
function pixels(bytes) {
    if (bytes.subarray(1, 4).toString() === "PNG") return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
    for (let at = 2; at < bytes.length; at += 2 + bytes.readUInt16BE(at + 2))
        if (bytes[at + 1] >= 0xc0 && bytes[at + 1] <= 0xc2) return [bytes.readUInt16BE(at + 7), bytes.readUInt16BE(at + 5)];
    throw new Error("neither PNG nor JPEG");
}
const file = async (url) => Buffer.from(await (await fetch(url)).arrayBuffer());

async function outcome(input, options) {
    const { body: request } = await submit(input, options);
    const status = await completed(request);
    return { status: status.body, result: await json(request.response_url) };
}

before(async () => {
    folder = mkdtempSync(join(tmpdir(), "aisha-fal-"));
    arrived = [];
    answerWith = () => 200;
    makeCertificate();
    process.env.CA_FILE = join(folder, "cert.pem");
    process.env.SANDBOX_FAL_SECONDS = "0";
    process.env.SANDBOX_FAL_TRAINING_SECONDS = "0";
    hook = await startHook();
    sandbox = await startSandbox();
    await fault("fal.retry_scale", 0.003);
    await fault("fal.pixels", 64);
});

after(async () => {
    await sandbox?.stop();
    hook?.closeAllConnections();
    hook?.close();
    rmSync(folder, { recursive: true, force: true });
});

beforeEach(async () => {
    answerWith = () => 200;
    await fault("fal.training_seconds", null);
});

test("a request goes from the queue to its result", async () => {
    await fault("fal.seconds", 1);
    const { status, headers, body: request } = await submit({ prompt: "a cat in space" });
    assert.equal(status, 200);
    assert.equal(request.status, "IN_QUEUE");
    assert.equal(headers.get("x-fal-request-id"), request.request_id);
    assert.equal(request.response_url, `${sandbox.url}/fal/queue/fal-ai/imagen4/requests/${request.request_id}`);
    assert.equal(request.status_url, `${request.response_url}/status`);
    assert.equal(request.cancel_url, `${request.response_url}/cancel`);

    const early = await json(request.response_url);
    assert.equal(early.status, 400);
    const running = await until(async () => {
        const answer = await json(`${request.status_url}?logs=1`);
        return answer.body.status === "IN_PROGRESS" && answer.body.logs.length && answer;
    }, "a running request");
    assert.equal(running.status, 202);
    assert.equal(running.body.logs[0].message, "Model loaded");
    await fault("fal.seconds", null);

    const { body: done } = await completed(request);
    assert.equal(done.status, "COMPLETED");
    assert.ok(done.metrics.inference_time >= 1);
    assert.equal(done.error, undefined);
    const result = await json(request.response_url);
    assert.equal(result.status, 200);
    assert.equal(result.body.images.length, 1);
});

test("those who wait know their place, and can leave", async () => {
    await fault("fal.running", 1);
    await fault("fal.seconds", 60);
    const [first, second, third] = [await submit({ prompt: "one" }), await submit({ prompt: "two" }), await submit({ prompt: "three" })].map((one) => one.body);
    await until(async () => (await json(first.status_url)).body.status === "IN_PROGRESS", "the first to run");
    assert.equal((await json(second.status_url)).body.queue_position, 0);
    assert.equal((await json(third.status_url)).body.queue_position, 1);
    assert.equal((await json(third.status_url)).status, 202);

    const left = await json(second.cancel_url, { method: "PUT" });
    assert.deepEqual([left.status, left.body.status], [200, "OK"]);
    assert.equal((await json(second.status_url)).status, 404);
    assert.equal((await json(third.status_url)).body.queue_position, 0);

    await fault("fal.seconds", null);
    const stopped = await json(first.cancel_url, { method: "PUT" });
    assert.deepEqual([stopped.status, stopped.body.status], [202, "CANCELLATION_REQUESTED"]);
    const { body } = await completed(first);
    assert.equal(body.error_type, "client_cancelled");
    await completed(third);
    const late = await json(third.cancel_url, { method: "PUT" });
    assert.deepEqual([late.status, late.body.status], [400, "ALREADY_COMPLETED"]);
    const unknown = await json("queue/fal-ai/imagen4/requests/none/cancel", { method: "PUT" });
    assert.deepEqual([unknown.status, unknown.body.status], [404, "NOT_FOUND"]);
    await fault("fal.running", null);
});

test("pictures have the size of their ratio and differ by words and seed", async () => {
    await fault("fal.pixels", null);
    const sizes = { "1:1": [1024, 1024], "16:9": [1408, 768], "9:16": [768, 1408], "4:3": [1280, 896], "3:4": [896, 1280] };
    for (const [aspect_ratio, size] of Object.entries(sizes)) {
        const { result } = await outcome({ prompt: "a lighthouse", aspect_ratio });
        const image = result.body.images[0];
        assert.deepEqual([image.width, image.height], size);
        assert.deepEqual(pixels(await file(image.url)), size);
    }
    await fault("fal.pixels", 64);

    const hash = async (input) => createHash("sha256").update(await file((await outcome(input)).result.body.images[0].url)).digest("hex");
    const same = await hash({ prompt: "a boat", seed: 7 });
    assert.equal(await hash({ prompt: "a boat", seed: 7 }), same);
    assert.notEqual(await hash({ prompt: "a boat", seed: 8 }), same);
    assert.notEqual(await hash({ prompt: "a ship", seed: 7 }), same);
});

test("up to four pictures, as jpeg if wanted, with seeds beyond doubles", async () => {
    const { result } = await outcome({ prompt: "four birds", num_images: 4, output_format: "jpeg" });
    const { images } = result.body;
    assert.equal(images.length, 4);
    for (const image of images) {
        const bytes = await file(image.url);
        assert.equal(image.content_type, "image/jpeg");
        assert.equal(image.file_size, bytes.length);
        assert.deepEqual(pixels(bytes), [image.width, image.height]);
    }
    assert.equal(new Set(images.map((image) => image.url)).size, 4);
    assert.ok(result.body.seed > Number.MAX_SAFE_INTEGER);
});

test("fields are checked as the model's schema says", async () => {
    const rows = [
        [{}, "prompt", "missing"], [{ prompt: 7 }, "prompt", "string_type"], [{ prompt: "ab" }, "prompt", "string_too_short"],
        [{ prompt: "x".repeat(5001) }, "prompt", "string_too_long"], [{ prompt: "abc", aspect_ratio: "2:1" }, "aspect_ratio", "literal_error"],
        [{ prompt: "abc", num_images: 0 }, "num_images", "greater_than_equal"], [{ prompt: "abc", num_images: 5 }, "num_images", "less_than_equal"],
        [{ prompt: "abc", num_images: "1" }, "num_images", "int_type"], [{ prompt: "abc", num_images: 1.5 }, "num_images", "int_type"],
        [{ prompt: "abc", seed: -1 }, "seed", "greater_than_equal"], [{ prompt: "abc", output_format: "gif" }, "output_format", "literal_error"],
        [{ prompt: "abc", sync_mode: 1 }, "sync_mode", "bool_type"], [{ prompt: "abc", safety_tolerance: 4 }, "safety_tolerance", "literal_error"],
        [{ prompt: "abc", negative_prompt: "dog" }, "negative_prompt", "extra_forbidden"],
        [{ prompt: "abc", resolution: "1K" }, "resolution", "extra_forbidden", `${imagen}/fast`],
    ];
    for (const [input, field, type, model] of rows) {
        const { status, result } = await outcome(input, { model });
        assert.equal(status.error, "Invalid status code: 422");
        assert.equal(result.status, 422);
        assert.deepEqual(result.body.detail[0].loc, ["body", field]);
        assert.equal(result.body.detail[0].type, type);
        assert.equal(result.headers.get("x-fal-retryable"), "false");
    }
    for (const model of [imagen, `${imagen}/fast`, `${imagen}/ultra`])
        assert.equal((await outcome({ prompt: "abc", seed: 7, safety_tolerance: "2" }, { model })).result.status, 200);
});

test("some words make a model refuse or break", async () => {
    const unsafe = await outcome({ prompt: "something [unsafe]" });
    assert.equal(unsafe.result.body.detail[0].type, "content_policy_violation");
    const plain = await outcome({ prompt: "something [unsafe text]" });
    assert.equal(plain.result.status, 422);
    assert.match(plain.result.body.detail, /safety checks/);
    const broken = await outcome({ prompt: "something [broken]" });
    assert.equal(broken.result.status, 500);
    assert.equal(broken.result.headers.get("x-fal-retryable"), "true");
    const gone = await outcome({ prompt: "something [disconnected]" });
    assert.equal(gone.status.error_type, "runner_disconnected");
    assert.equal(gone.result.headers.get("x-fal-error-type"), "runner_disconnected");
});

test("strangers, unknown models and broken bodies are turned away", async () => {
    const post = (path, options) => json(path, { method: "POST", body: "{}", ...options });
    assert.equal((await post(`queue/${imagen}`, { headers: {} })).status, 401);
    assert.equal((await post(`queue/${imagen}`, { headers: { Authorization: "Key other" } })).status, 401);
    assert.equal((await post(`queue/${imagen}`, { headers: { Authorization: "Bearer test:key" } })).status, 401);
    assert.equal((await post("queue/fal-ai/none")).status, 404);
    assert.equal((await post(`queue/${imagen}`, { body: "{" })).status, 422);
    assert.equal((await post(`queue/${imagen}?fal_webhook=http%3A%2F%2Fx%2F`)).status, 400);
    assert.equal((await json(`queue/${imagen}`)).status, 405);
    assert.equal((await json("queue/fal-ai/imagen4/requests/none/status")).status, 404);
    const { body: request } = await submit({ prompt: "abc" });
    assert.equal((await json(request.status_url, { headers: {} })).status, 401);
    assert.equal((await json(request.status_url.replace("imagen4", "flux-lora"))).status, 404);
});

test("the callback is signed and carries the result", async () => {
    const { body: request } = await submit({ prompt: "a signed cat" }, { token: "ok" });
    const one = await callback("ok");
    assert.equal(one.body.request_id, request.request_id);
    assert.equal(one.body.status, "OK");
    assert.equal(one.body.error, null);
    assert.equal(one.headers["x-fal-webhook-request-id"], request.request_id);
    assert.ok(Math.abs(Date.now() / 1000 - Number(one.headers["x-fal-webhook-timestamp"])) < 60);
    assert.ok(await isGenuine(one));
    const result = await json(request.response_url);
    assert.deepEqual(one.body.payload, result.body);
});

test("a failure is told as such", async () => {
    await submit({ prompt: "something [unsafe]" }, { token: "unsafe" });
    const refused = await callback("unsafe");
    assert.equal(refused.body.status, "ERROR");
    assert.equal(refused.body.error, "Invalid status code: 422");
    assert.equal(refused.body.payload.detail[0].type, "content_policy_violation");

    await fault("fal.fail", { status: 500, times: 1 });
    await submit({ prompt: "a well-behaved cat" }, { token: "failed" });
    const failed = await callback("failed");
    assert.equal(failed.body.error, "Invalid status code: 500");
    assert.ok(await isGenuine(failed));
});

test("a callback is repeated until it is taken, ten times at most", async () => {
    let refusals = 3;
    answerWith = () => (refusals-- > 0 ? 503 : 200);
    await submit({ prompt: "a stubborn cat" }, { token: "repeat" });
    await callback("repeat", 4);
    assert.ok(await isGenuine(arrivedFor("repeat")[3]));

    await fault("fal.retry_scale", 0);
    answerWith = () => 500;
    await submit({ prompt: "a hopeless cat" }, { token: "hopeless" });
    await callback("hopeless", 11);
    answerWith = () => 200;
    await submit({ prompt: "another cat" }, { token: "another" });
    await callback("another");
    assert.equal(arrivedFor("hopeless").length, 11);
    assert.equal(arrivedFor("repeat").length, 4);
});

test("a callback may come three times, badly signed, late, or never", async () => {
    await fault("fal.callback", { value: "three", times: 1 });
    await submit({ prompt: "three cats" }, { token: "three" });
    await callback("three", 3);

    await fault("fal.callback", { value: "badsign", times: 1 });
    await submit({ prompt: "a forged cat" }, { token: "badsign" });
    assert.equal(await isGenuine(await callback("badsign")), false);

    await fault("fal.callback", { value: "late:1", times: 1 });
    const { body: late } = await submit({ prompt: "a late cat" }, { token: "late" });
    await completed(late);
    const doneAt = Date.now();
    await callback("late");
    assert.ok(Date.now() - doneAt > 500);

    await fault("fal.callback", { value: "never", times: 1 });
    const { body: silent } = await submit({ prompt: "a silent cat" }, { token: "never" });
    await completed(silent);
    await submit({ prompt: "the next cat" }, { token: "next" });
    await callback("next");
    assert.equal(arrivedFor("never").length, 0);
    assert.equal(arrivedFor("three").length, 3);
});

test("a callback may overtake the answer to its submission", async () => {
    await fault("fal.callback", { value: "early", times: 1 });
    let isAnswered = false, wasAnswered;
    answerWith = () => { wasAnswered = isAnswered; return 200; };
    const { status, body: request } = await submit({ prompt: "a hasty cat" }, { token: "early" });
    isAnswered = true;
    assert.equal(status, 200);
    assert.equal(wasAnswered, false);
    assert.equal(arrivedFor("early")[0].body.request_id, request.request_id);
});

test("a submission may be refused, or taken while its answer is lost", async () => {
    for (const status of [429, 500, 503]) {
        await fault("fal.submit", { value: status, times: 1 });
        assert.equal((await submit({ prompt: "a cat" }, { token: `refused${status}` })).status, status);
    }
    await fault("fal.submit", { value: "lost", times: 1 });
    const response = await fetch(`${sandbox.url}/fal/queue/${imagen}?fal_webhook=${encodeURIComponent(hookUrl("lost"))}`,
        { method: "POST", headers: key, body: JSON.stringify({ prompt: "a lost cat" }) });
    assert.equal(response.status, 502);
    const one = await callback("lost");
    assert.ok(await isGenuine(one));
    for (const status of [429, 500, 503]) assert.equal(arrivedFor(`refused${status}`).length, 0);
});

test("status, result, files and keys may fail for a while", async () => {
    const { body: request } = await submit({ prompt: "a patient cat" });
    await completed(request);
    const { body: result } = await json(request.response_url);
    const rows = [["fal.status", request.status_url], ["fal.result", request.response_url],
        ["fal.file", result.images[0].url], ["fal.jwks", "rest/.well-known/jwks.json"]];
    for (const [name, path] of rows) {
        await fault(name, { value: 503, times: 1 });
        assert.equal((await json(path)).status, 503);
        const again = await fetch(path.startsWith("http") ? path : `${sandbox.url}/fal/${path}`, { headers: key });
        assert.equal(again.status, 200);
        await again.arrayBuffer();
    }
    assert.equal((await json(`${result.images[0].url}x`)).status, 404);
});

test("keys are rotated, and the document shows the last two", async () => {
    const [old] = await jwks();
    await fault("fal.rotate", { value: true, times: 1 });
    await submit({ prompt: "a cat of a new era" }, { token: "rotated" });
    const one = await callback("rotated");
    const keys = await jwks();
    assert.equal(keys.length, 2);
    assert.equal(keys[1].x, old.x);
    assert.notEqual(keys[0].x, old.x);
    assert.ok(await isGenuine(one));
});

test("storage takes a file and gives it back", async () => {
    const initiate = (more) => json("rest/storage/upload/initiate?storage_type=fal-cdn-v3", { method: "POST",
        body: JSON.stringify({ content_type: "application/zip", file_name: "my set.zip" }), ...more });
    assert.equal((await initiate({ headers: {} })).status, 401);
    const { status, body } = await initiate();
    assert.equal(status, 200);
    assert.equal((await fetch(body.file_url)).status, 404);
    const put = (type) => fetch(body.upload_url, { method: "PUT", headers: { "Content-Type": type }, body: "zipped" });
    assert.equal((await put("text/plain")).status, 403);
    assert.equal((await put("application/zip")).status, 200);
    const back = await fetch(body.file_url);
    assert.equal(back.headers.get("content-type"), "application/zip");
    assert.equal(await back.text(), "zipped");
});

// -- trainings --

const portrait = "fal-ai/flux-lora-portrait-trainer", fast = "fal-ai/flux-lora-fast-training", flux = "fal-ai/flux-lora";
const red = [200, 30, 40], blue = [20, 40, 210];
const plain = (width, height, colour) =>
    png(width, height, Buffer.concat(Array(height).fill(Buffer.from([0, ...Array(width).fill(colour).flat()]))));
const photosOf = (colour, count) => Array.from({ length: count }, (_, i) => [`photo_${i}.png`, plain(96 + 8 * i, 120, colour)]);

async function upload(bytes, name = "photos.zip") {
    const { body } = await json("rest/storage/upload/initiate?storage_type=fal-cdn-v3", { method: "POST",
        body: JSON.stringify({ content_type: "application/zip", file_name: name }) });
    const put = await fetch(body.upload_url, { method: "PUT", headers: { "Content-Type": "application/zip" }, body: bytes });
    assert.equal(put.status, 200);
    return body.file_url;
}

// A LoRA of somebody of one colour.
async function trained(colour, trigger_phrase) {
    const images_data_url = await upload(zip(photosOf(colour, 10)));
    const { result } = await outcome({ images_data_url, trigger_phrase, steps: 1000 }, { model: portrait });
    assert.equal(result.status, 200);
    return result.body.diffusers_lora_file.url;
}

const isLike = (got, want) => got.every((value, i) => Math.abs(value - want[i]) < 8);

const logsOf = async (request) => (await json(`${request.status_url}?logs=1`)).body;

test("a training waits, runs, tells how far it is, and makes a LoRA", async () => {
    const images_data_url = await upload(zip([...photosOf(red, 12), ["photo_3.txt", "[trigger] at the sea"]]));
    await fault("fal.training_seconds", 6);
    const { status, body: request } = await submit({ images_data_url, trigger_phrase: "TOK_8f2a01bc", steps: 1000,
        learning_rate: 0.00009, multiresolution_training: true, subject_crop: true, create_masks: false },
        { model: portrait, token: "trained" });
    assert.equal(status, 200);
    assert.equal(request.status_url, `${sandbox.url}/fal/queue/fal-ai/flux-lora-portrait-trainer/requests/${request.request_id}/status`);
    assert.ok(request.queue_position > 0 && request.queue_position <= 3);

    const early = await until(async () => {
        const body = await logsOf(request);
        assert.ok(body.status !== "IN_QUEUE" || body.queue_position <= request.queue_position);
        return body.status === "IN_PROGRESS" && body.logs.some((line) => /\/1000 \[/.test(line.message)) && body;
    }, "the first steps of a training");
    assert.ok(!early.logs.some((line) => /Uploading/.test(line.message)));

    const told = await callback("trained");
    assert.ok(await isGenuine(told));
    const { diffusers_lora_file: lora, config_file: config } = told.body.payload;
    assert.deepEqual((await json(request.response_url)).body, told.body.payload);
    const { logs } = await logsOf(request);
    assert.match(logs[0].message, /archive/);
    assert.equal(logs[1].message, "Loading images: 12 found, 1 with a caption");
    assert.equal(logs.find((line) => / 440\/1000 /.test(line.message)).message,
        " 44%|████▍     | 440/1000 [00:02<00:02, 196.08it/s, loss=0.357]");
    assert.equal(logs.at(-1).message, "Uploading the files");
    assert.ok(logs.every((line, i) => !i || line.timestamp >= logs[i - 1].timestamp));
    assert.deepEqual(logs.slice(0, early.logs.length), early.logs);

    const bytes = await file(lora.url);
    assert.equal(bytes.length, lora.file_size);
    const length = Number(bytes.readBigUInt64LE(0)), header = JSON.parse(bytes.subarray(8, 8 + length));
    assert.equal(length % 8, 0);
    assert.deepEqual([header.__metadata__.trigger, header.__metadata__.steps], ["TOK_8f2a01bc", "1000"]);
    assert.deepEqual([header.face.dtype, header.face.shape], ["U8", [96, 96, 3]]);
    assert.equal(bytes.length, 8 + length + header.face.data_offsets[1]);
    assert.deepEqual([...bytes.subarray(-3)], red);
    const about = JSON.parse(await file(config.url));
    assert.deepEqual([about.images, about.captions, about.steps], [12, 1, 1000]);
});

test("photos may be JPEGs, and the first of them is the face", async () => {
    const { result } = await outcome({ prompt: "a portrait", num_images: 3, output_format: "jpeg" });
    const drawn = await Promise.all(result.body.images.map((image) => file(image.url)));
    const images_data_url = await upload(zip([...drawn.map((bytes, i) => [`${i}.jpg`, bytes]), ["z.png", plain(50, 40, red)]]));
    const trained = await outcome({ images_data_url, is_style: true }, { model: fast });
    assert.equal(trained.result.status, 200);
    const cut = await upload(zip([...photosOf(red, 3), ["cut.jpg", drawn[0].subarray(0, drawn[0].length - 100)]]));
    const refused = await outcome({ images_data_url: cut }, { model: fast });
    assert.equal(refused.result.body.detail[0].type, "image_load_error");
});

test("an archive that is no good is refused at once, and said so", async () => {
    const good = await upload(zip(photosOf(red, 10)));
    const broken = zip(photosOf(red, 10));
    broken[200] ^= 255;
    const rows = [
        ["file_download_error", portrait, `${good.replace(/photos.zip$/, "other.zip")}`],
        ["file_download_error", portrait, "https://v3.fal.media/files/photos.zip"],
        ["file_download_error", portrait, "data:application/zip;base64,UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="],
        ["value_error", portrait, await upload("no zip at all")],
        ["value_error", portrait, await upload(zip(photosOf(red, 10)), "photos.bin")],
        ["value_error", portrait, await upload(zip(photosOf(red, 10)).subarray(0, 2000))],
        ["too_short", portrait, await upload(zip(photosOf(red, 9)))],
        ["too_short", fast, await upload(zip(photosOf(red, 3)))],
        ["too_short", fast, await upload(zip([]))],
        ["image_load_error", portrait, await upload(broken)],
        ["image_load_error", portrait, await upload(zip([...photosOf(red, 10), ["readme.md", "# photos"]]))],
        ["image_load_error", portrait, await upload(zip([...photosOf(red, 10), ["odd.jpg", "JFIF"]]))],
        ["image_load_error", portrait, await upload(zip([...photosOf(red, 10), ["nobody.txt", "[trigger]"]]))],
        ["image_load_error", portrait, await upload(zip([...photosOf(red, 10), ["photo_1.txt", Buffer.from([0xff, 0xfe])]]))],
    ];
    for (const [type, model, images_data_url] of rows) {
        const { result, status } = await outcome({ images_data_url }, { model });
        assert.deepEqual([result.status, result.body.detail[0].type], [422, type], images_data_url);
        assert.deepEqual(result.body.detail[0].loc, ["body", "images_data_url"]);
        assert.equal(status.error, "Invalid status code: 422");
    }
    const { result } = await outcome({ images_data_url: good }, { model: portrait });
    assert.equal(result.status, 200);

    // At once: not after the time of a training that goes well.
    await fault("fal.training_seconds", 20);
    const { body: request } = await submit({ images_data_url: rows[6][2] }, { model: portrait });
    const { body: done } = await completed(request);
    assert.equal(done.metrics.inference_time, 1);
    assert.deepEqual((await logsOf(request)).logs.map((line) => [line.level, line.message]),
        [["INFO", "Downloading the archive"], ["ERROR", "At least 10 images are needed, 9 were found"]]);
});

test("a training's fields are checked as a model's are", async () => {
    const images_data_url = await upload(zip(photosOf(red, 10)));
    const rows = [
        [portrait, {}, "images_data_url", "missing"],
        [portrait, { images_data_url: 7 }, "images_data_url", "string_type"],
        [portrait, { images_data_url, trigger_word: "TOK" }, "trigger_word", "extra_forbidden"],
        [portrait, { images_data_url, is_style: true }, "is_style", "extra_forbidden"],
        [portrait, { images_data_url, steps: "1000" }, "steps", "int_type"],
        [portrait, { images_data_url, steps: 0 }, "steps", "greater_than_equal"],
        [portrait, { images_data_url, steps: 10001 }, "steps", "less_than_equal"],
        [portrait, { images_data_url, learning_rate: "0.1" }, "learning_rate", "float_type"],
        [portrait, { images_data_url, learning_rate: 1 }, "learning_rate", "less_than_equal"],
        [portrait, { images_data_url, create_masks: 1 }, "create_masks", "bool_type"],
        [portrait, { images_data_url, data_archive_format: "tar" }, "data_archive_format", "literal_error"],
        [fast, { images_data_url, trigger_phrase: "TOK" }, "trigger_phrase", "extra_forbidden"],
        [fast, { images_data_url, learning_rate: 0.0001 }, "learning_rate", "extra_forbidden"],
        [fast, { images_data_url, subject_crop: true }, "subject_crop", "extra_forbidden"],
        [fast, { images_data_url, is_style: "yes" }, "is_style", "bool_type"],
    ];
    for (const [model, input, field, type] of rows) {
        const { result } = await outcome(input, { model });
        assert.deepEqual([result.status, result.body.detail[0].loc, result.body.detail[0].type], [422, ["body", field], type]);
    }
    const { result } = await outcome({ images_data_url, trigger_word: null, steps: 1500, create_masks: true, is_style: false }, { model: fast });
    assert.equal(result.status, 200);
});

test("a training can be left while it waits, and stopped while it runs", async () => {
    const images_data_url = await upload(zip(photosOf(red, 10)));
    await fault("fal.training_seconds", 600);
    const { body: waiting } = await submit({ images_data_url }, { model: portrait, token: "left" });
    // Whoever comes later does not wait for it.
    assert.equal((await outcome({ prompt: "a quick cat" })).result.status, 200);
    const left = await json(waiting.cancel_url, { method: "PUT" });
    assert.deepEqual([left.status, left.body.status], [200, "OK"]);
    assert.equal((await json(waiting.status_url)).status, 404);

    await fault("fal.training_seconds", 10);
    const { body: running } = await submit({ images_data_url }, { model: portrait, token: "stopped" });
    await until(async () => (await logsOf(running)).status === "IN_PROGRESS", "a running training");
    const stopped = await json(running.cancel_url, { method: "PUT" });
    assert.deepEqual([stopped.status, stopped.body.status], [202, "CANCELLATION_REQUESTED"]);
    assert.equal((await completed(running)).body.error_type, "client_cancelled");
    assert.equal((await callback("stopped")).body.status, "ERROR");
    assert.equal(arrivedFor("left").length, 0);
});

test("a training breaks half-way, and only where it was asked to", async () => {
    const images_data_url = await upload(zip(photosOf(red, 10)));
    await fault("fal.training_seconds", 2);
    await fault(`fal.fail:${portrait}`, { value: { status: 500, type: "generation_timeout", at: 0.5 }, times: 1 });
    assert.equal((await outcome({ prompt: "an unharmed cat" })).result.status, 200);
    const { body: request } = await submit({ images_data_url, steps: 1000 }, { model: portrait, token: "broken" });
    const { body: done } = await completed(request);
    assert.equal(done.error, "Invalid status code: 500");
    assert.equal(done.metrics.inference_time, 1);
    assert.match((await logsOf(request)).logs.at(-1).message, / 460\/1000 \[/);
    const told = await callback("broken");
    assert.equal(told.body.payload.detail[0].type, "generation_timeout");
    await fault("fal.training_seconds", null);
    assert.equal((await outcome({ images_data_url }, { model: portrait })).result.status, 200);
});

test("a training's callback may be early, threefold or never come", async () => {
    const images_data_url = await upload(zip(photosOf(red, 10)));
    await fault(`fal.callback:${portrait}`, { value: "early", times: 1 });
    await submit({ images_data_url }, { model: portrait, token: "early_training" });
    assert.ok(arrivedFor("early_training")[0].body.payload.diffusers_lora_file.url);

    await fault(`fal.callback:${portrait}`, { value: "three", times: 1 });
    await submit({ images_data_url }, { model: portrait, token: "three_trainings" });
    await callback("three_trainings", 3);

    await fault(`fal.callback:${portrait}`, { value: "never", times: 1 });
    const { body: silent } = await submit({ images_data_url }, { model: portrait, token: "no_training" });
    await completed(silent);
    await submit({ images_data_url }, { model: portrait, token: "next_training" });
    await callback("next_training");
    assert.equal(arrivedFor("no_training").length, 0);
});

test("a training goes on where it was when the sandbox comes back", async () => {
    const images_data_url = await upload(zip(photosOf(red, 10)));
    await fault("fal.training_seconds", 5);
    const { body: request } = await submit({ images_data_url }, { model: portrait });
    await until(async () => (await logsOf(request)).status === "IN_PROGRESS", "a running training");
    await sandbox.halt();
    await sandbox.resume();
    await completed(request);
    assert.equal((await json(request.response_url)).status, 200);
});

// -- pictures of who was trained --

const called = (path, more) => ({ prompt: "TOK_red on a hill", loras: [{ path, scale: 1.15 }], image_size: { width: 512, height: 640 }, num_images: 1,
    num_inference_steps: 28, guidance_scale: 3.5, enable_safety_checker: true, output_format: "png", ...more });

async function middle(image, part = 0.5) {
    const pixels = readPng(await file(image.url));
    return pixels.at(Math.round(pixels.width * part), Math.round(pixels.height * 0.52));
}

test("whoever is called by the trigger is seen, and a stranger otherwise", async () => {
    await fault("fal.pixels", null);
    const [path, other] = [await trained(red, "TOK_red"), await trained(blue, "TOK_blue")];
    const { result } = await outcome(called(path, { seed: 987654321, num_images: 2 }), { model: flux });
    assert.equal(result.status, 200);
    assert.deepEqual([result.body.seed, result.body.prompt, result.body.has_nsfw_concepts], [987654321, "TOK_red on a hill", [false, false]]);
    assert.equal(typeof result.body.timings.inference, "number");
    for (const image of result.body.images) {
        assert.deepEqual(Object.keys(image).sort(), ["content_type", "height", "url", "width"]);
        assert.deepEqual([image.width, image.height], [512, 640]);
        assert.deepEqual(pixels(await file(image.url)), [512, 640]);
        assert.ok(isLike(await middle(image), red));
    }
    const stranger = await outcome(called(path, { prompt: "somebody on a hill" }), { model: flux });
    assert.ok(!isLike(await middle(stranger.result.body.images[0]), red));
    const both = await outcome(called(path, { prompt: "TOK_red and TOK_blue", loras: [{ path }, { path: other }] }), { model: flux });
    assert.ok(isLike(await middle(both.result.body.images[0], 0.275), red));
    assert.ok(isLike(await middle(both.result.body.images[0], 0.725), blue));
    const nobody = await outcome({ prompt: "a hill", image_size: "portrait_16_9" }, { model: flux });
    const image = nobody.result.body.images[0];
    assert.deepEqual([image.width, image.height, image.content_type], [576, 1024, "image/jpeg"]);
    assert.ok(BigInt(nobody.result.body.seed) > 2n ** 53n - 1n);
    await fault("fal.pixels", 64);
});

test("the safety checker blackens what it flags, picture by picture", async () => {
    const path = await trained(red, "TOK_red");
    const flagged = async (prompt, more) => {
        const { result } = await outcome(called(path, { prompt, num_images: 2, ...more }), { model: flux });
        const colours = await Promise.all(result.body.images.map((image) => middle(image)));
        return [result.body.has_nsfw_concepts, colours.map((colour) => colour.join() === "0,0,0")];
    };
    assert.deepEqual(await flagged("TOK_red [nsfw]"), [[true, true], [true, true]]);
    assert.deepEqual(await flagged("TOK_red [nsfw 1]"), [[true, false], [true, false]]);
    assert.deepEqual(await flagged("TOK_red [nsfw]", { enable_safety_checker: false }), [[false, false], [false, false]]);
    const { result } = await outcome(called(path, { prompt: "TOK_red [unsafe]" }), { model: flux });
    assert.equal(result.body.detail[0].type, "content_policy_violation");
});

test("a LoRA that is gone, or none, is told by its place in the list", async () => {
    const [path, other] = [await trained(red, "TOK_red"), await trained(blue, "TOK_blue")];
    const forget = (url) => fetch(`${sandbox.url}/control/forget_file`, { method: "POST", body: JSON.stringify({ url }) });
    const copy = await file(path);
    assert.equal((await forget(path)).status, 200);
    assert.equal((await forget(path)).status, 400);
    assert.equal((await fetch(path)).status, 404);
    const gone = await outcome(called(other, { loras: [{ path: other }, { path }] }), { model: flux });
    const [detail] = gone.result.body.detail;
    assert.deepEqual([gone.result.status, detail.type, detail.loc], [422, "file_download_error", ["body", "loras", 1, "path"]]);
    const mended = await outcome(called(await upload(copy, "lora.safetensors")), { model: flux });
    assert.equal(mended.result.status, 200);

    const rows = [
        [called(await upload("no weights", "a.safetensors")), ["body", "loras", 0, "path"], "value_error"],
        [called("https://v3.fal.media/files/a.safetensors"), ["body", "loras", 0, "path"], "file_download_error"],
        [called(other, { loras: [{ scale: 1 }] }), ["body", "loras", 0, "path"], "missing"],
        [called(other, { loras: [{ path: other, scale: 5 }] }), ["body", "loras", 0, "scale"], "less_than_equal"],
        [called(other, { loras: [{ path: other, weight: 1 }] }), ["body", "loras", 0, "weight"], "extra_forbidden"],
        [called(other, { loras: { path: other } }), ["body", "loras"], "list_type"],
        [called(other, { image_size: "4:3" }), ["body", "image_size"], "literal_error"],
        [called(other, { image_size: { width: 512 } }), ["body", "image_size", "height"], "missing"],
        [called(other, { image_size: { width: 512, height: 9000 } }), ["body", "image_size", "height"], "less_than_equal"],
        [called(other, { num_images: 5 }), ["body", "num_images"], "less_than_equal"],
        [called(other, { num_inference_steps: 0 }), ["body", "num_inference_steps"], "greater_than_equal"],
        [called(other, { guidance_scale: 36 }), ["body", "guidance_scale"], "less_than_equal"],
        [called(other, { negative_prompt: "rain" }), ["body", "negative_prompt"], "extra_forbidden"],
        [called(other, { aspect_ratio: "1:1" }), ["body", "aspect_ratio"], "extra_forbidden"],
        [called(other, { output_format: "webp" }), ["body", "output_format"], "literal_error"],
        [called(other, { prompt: undefined }), ["body", "prompt"], "missing"],
    ];
    for (const [input, loc, type] of rows) {
        const { result } = await outcome(input, { model: flux });
        assert.deepEqual([result.status, result.body.detail[0].loc, result.body.detail[0].type], [422, loc, type]);
    }
});
