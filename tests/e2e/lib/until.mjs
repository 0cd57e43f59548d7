// until.mjs - waiting for a state instead of for a time.

const most = 60; // seconds: more than any machine needs
const firstMs = 15, lastMs = 120;

// Asks again and again, ever less often, until the answer is not false, null, undefined or 0: what is waited for has
// its own use for the processor.
export async function until(asks, what, seconds = most) {
    const end = Date.now() + seconds * 1000;
    for (let ms = firstMs; ; ms = Math.min(ms * 1.3, lastMs)) {
        const answer = await asks();
        if (answer) return answer;
        if (Date.now() > end) throw new Error(`${what} did not come to be`);
        await new Promise((done) => setTimeout(done, ms));
    }
}
