// words.js - what the page itself says, in Russian and English.
//
// The shell speaks the browser's language; a chat speaks its user's, because
// Telegram's own client would.

const words = {
    ru: {
        title: "Песочница",
        log: "Вызовы Bot API",
        faults: "Неполадки",
        chat: "Чат",
        all_chats: "все",
        refused_only: "только отказы",
        no_calls: "Вызовов ещё не было.",
        no_matches: "Под этот отбор ничего не подходит.",
        add_user: "Новый пользователь",
        name: "Имя",
        username: "@имя (необязательно)",
        number: "Номер",
        language: "Язык",
        cancel: "Отмена",
        add: "Добавить",
        close: "Закрыть",
        photo: "Фотография",
        connected: "На связи",
        lost: "Связь потеряна, пробую снова…",
        beside: "Открыть рядом",
        close_chat: "Закрыть этот чат",
        people: "Пользователи",
        block: "Заблокировать бота",
        unblock: "Разблокировать",
        blocked: "бот заблокирован",
        bot: "бот",
        start: "Запустить",
        nothing_yet: "Здесь пока ничего нет.",
        placeholder: "Сообщение",
        send: "Отправить",
        attach: "Прикрепить",
        attach_photo: "Фото",
        attach_file: "Файл",
        caption: "Подпись",
        as_photos: "Как фото",
        as_files: "Как файлы",
        send_as: "Как послать",
        goes_as_file: "уйдёт файлом",
        file_too_large: "Больше 50 МБ песочница не берёт",
        file_empty: "Файл пуст",
        too_many_files: "За раз не больше 100 файлов",
        uploading: "Загружается",
        replied: "Показать сообщение, на которое это ответ",
        replied_gone: "Сообщение удалено",
        commands: "Команды бота",
        edited: "изменено",
        drop_photo: "Отпустите, чтобы послать как фото",
        drop_file: "Отпустите, чтобы послать как файл",
        remove: "Убрать",
        to_end: "К последнему сообщению",
        today: "Сегодня",
        yesterday: "Вчера",
        unknown_kind: "Сообщение, которое эта страница не умеет показать",
        typing: "печатает",
        upload_photo: "отправляет фото",
        upload_document: "отправляет файл",
        upload_video: "отправляет видео",
        upload_voice: "отправляет голосовое",
        record_voice: "записывает голосовое",
        record_video: "записывает видео",
        choose_sticker: "выбирает стикер",
        you: "Вы: ",
        file: "файл",
        parameters: "Параметры",
        answer: "Ответ",
        inline: "в ответе на обновление",
        messages_with: "Сообщения",
        failed: "Не получилось",
        pick_chat: "Выберите пользователя слева.",
        spoiler: "Скрытый текст, показать",
        copied: "Скопировано",
        fault_telegram_429: "Telegram отвечает 429",
        fault_telegram_down: "Telegram недоступен",
        fault_fal_down: "FAL отвечает 503",
        fault_fal_slow: "FAL работает полминуты",
        fault_fal_never: "FAL не сообщает о готовом",
        fault_fal_refuse: "FAL отказывает: запрещённое содержание",
    },
    en: {
        title: "Sandbox",
        log: "Bot API calls",
        faults: "Faults",
        chat: "Chat",
        all_chats: "all",
        refused_only: "refused only",
        no_calls: "No calls yet.",
        no_matches: "Nothing matches this filter.",
        add_user: "New user",
        name: "Name",
        username: "@username (optional)",
        number: "Id",
        language: "Language",
        cancel: "Cancel",
        add: "Add",
        close: "Close",
        photo: "Photo",
        connected: "Connected",
        lost: "Connection lost, trying again…",
        beside: "Open beside",
        close_chat: "Close this chat",
        people: "Users",
        block: "Block the bot",
        unblock: "Unblock",
        blocked: "bot is blocked",
        bot: "bot",
        start: "Start",
        nothing_yet: "Nothing here yet.",
        placeholder: "Message",
        send: "Send",
        attach: "Attach",
        attach_photo: "Photo",
        attach_file: "File",
        caption: "Caption",
        as_photos: "As photos",
        as_files: "As files",
        send_as: "How to send",
        goes_as_file: "goes as a file",
        file_too_large: "The sandbox takes no more than 50 MB",
        file_empty: "The file is empty",
        too_many_files: "No more than 100 files at once",
        uploading: "Uploading",
        replied: "Show the message that this answers",
        replied_gone: "Deleted message",
        commands: "Bot commands",
        edited: "edited",
        drop_photo: "Drop to send as a photo",
        drop_file: "Drop to send as a file",
        remove: "Remove",
        to_end: "To the last message",
        today: "Today",
        yesterday: "Yesterday",
        unknown_kind: "A message that this page cannot show",
        typing: "typing",
        upload_photo: "sending a photo",
        upload_document: "sending a file",
        upload_video: "sending a video",
        upload_voice: "sending a voice message",
        record_voice: "recording a voice message",
        record_video: "recording a video",
        choose_sticker: "choosing a sticker",
        you: "You: ",
        file: "file",
        parameters: "Parameters",
        answer: "Answer",
        inline: "in the answer to an update",
        messages_with: "Messages",
        failed: "That did not work",
        pick_chat: "Choose a user on the left.",
        spoiler: "Hidden text, show",
        copied: "Copied",
        fault_telegram_429: "Telegram answers 429",
        fault_telegram_down: "Telegram is down",
        fault_fal_down: "FAL answers 503",
        fault_fal_slow: "FAL takes half a minute",
        fault_fal_never: "FAL never calls back",
        fault_fal_refuse: "FAL refuses: forbidden content",
    },
};

export const shellLanguage = navigator.language.toLowerCase().startsWith("ru") ? "ru" : "en";

export function word(key, language = shellLanguage) {
    return (words[language] ?? words.en)[key];
}

export function sizeWords(bytes, language = shellLanguage) {
    const units = language === "ru" ? ["Б", "КБ", "МБ", "ГБ"] : ["B", "KB", "MB", "GB"];
    let unit = 0;
    while (bytes >= 1024 && unit < units.length - 1) {
        bytes /= 1024;
        unit++;
    }
    const digits = unit > 0 && bytes < 10 ? 1 : 0;
    return `${bytes.toLocaleString(language, { maximumFractionDigits: digits })}\u00a0${units[unit]}`;
}

export function timeWords(seconds, language) {
    return new Date(seconds * 1000).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit", hour12: false });
}

export function dayWords(seconds, language) {
    const day = new Date(seconds * 1000);
    const start = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
    const age = Math.round((start(new Date()) - start(day)) / 86400000);
    if (age === 0) return word("today", language);
    if (age === 1) return word("yesterday", language);
    return day.toLocaleDateString(language, { day: "numeric", month: "long", year: "numeric" });
}
