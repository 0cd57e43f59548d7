// Telegram's page sends what it says of a person behind the #, which no server
// sees; it goes into the form that the button sends. Without it the form stays
// as the server has filled it.

const form = document.querySelector("form");
const told = new URLSearchParams(location.hash.slice(1)).get("tgAuthResult");

function fill(fields) {
    for (const [name, value] of Object.entries(fields)) {
        const input = form.querySelector(`input[name="${CSS.escape(name)}"]`) ?? form.appendChild(document.createElement("input"));
        Object.assign(input, { type: "hidden", name, value: String(value) });
    }
}

if (told) {
    try {
        const bytes = Uint8Array.from(atob(told.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
        fill(JSON.parse(new TextDecoder().decode(bytes)));
        history.replaceState(null, "", location.pathname);
    } catch {
        document.getElementById("words").textContent = "Telegram's answer cannot be read. Send /admin to the bot.";
    }
}
