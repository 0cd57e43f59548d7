/*
 * The table every call is held against: the methods that are played, their
 * fields, the types of those, which are required, and the limits that can be
 * told without looking further. Bot API 10.2. A field that Telegram knows and the
 * sandbox does not play is absent here, and so is refused.
 */
#include "tests/sandbox/telegram_inside.h"

/* clang-format off */

/* -- objects inside of calls -- */

static const struct field MessageEntity_fields[] = {
    {"type", "String", true},
    {"offset", "Integer", true},
    {"length", "Integer", true},
    {"url", "String", false},
    {"language", "String", false},
    {"custom_emoji_id", "String", false},
    {"unix_time", "Integer", false},
    {"date_time_format", "String", false},
};
static const struct field LinkPreviewOptions_fields[] = {
    {"is_disabled", "Boolean", false},
    {"url", "String", false},
    {"prefer_small_media", "Boolean", false},
    {"prefer_large_media", "Boolean", false},
    {"show_above_text", "Boolean", false},
};
static const struct field ReplyParameters_fields[] = {
    {"message_id", "Integer", false},
    {"allow_sending_without_reply", "Boolean", false},
};
static const struct field InlineKeyboardMarkup_fields[] = {
    {"inline_keyboard", "Array of Array of InlineKeyboardButton", true, 0, 0,
     "inline keyboard expected"},
};
static const struct field InlineKeyboardButton_fields[] = {
    {"text", "String", true, 0, 0, "can't parse inline keyboard button: Can't find field \"text\""},
    {"style", "String", false},
    {"url", "String", false},
    {"callback_data", "String", false},
    {"web_app", "WebAppInfo", false},
    {"login_url", "LoginUrl", false},
    {"switch_inline_query", "String", false},
    {"switch_inline_query_current_chat", "String", false},
    {"switch_inline_query_chosen_chat", "SwitchInlineQueryChosenChat", false},
    {"copy_text", "CopyTextButton", false},
    {"pay", "Boolean", false},
};
static const struct field WebAppInfo_fields[] = {
    {"url", "String", true},
};
static const struct field LoginUrl_fields[] = {
    {"url", "String", true},
    {"forward_text", "String", false},
    {"bot_username", "String", false},
    {"request_write_access", "Boolean", false},
};
static const struct field SwitchInlineQueryChosenChat_fields[] = {
    {"query", "String", false},
    {"allow_user_chats", "Boolean", false},
    {"allow_bot_chats", "Boolean", false},
    {"allow_group_chats", "Boolean", false},
    {"allow_channel_chats", "Boolean", false},
};
static const struct field CopyTextButton_fields[] = {
    {"text", "String", true, 1, 256},
};
static const struct field ReplyKeyboardMarkup_fields[] = {
    {"keyboard", "Array of Array of KeyboardButton", true},
    {"is_persistent", "Boolean", false},
    {"resize_keyboard", "Boolean", false},
    {"one_time_keyboard", "Boolean", false},
    {"input_field_placeholder", "String", false, 1, 64},
    {"selective", "Boolean", false},
};
static const struct field KeyboardButton_fields[] = {
    {"text", "String", true},
    {"style", "String", false},
    {"request_contact", "Boolean", false},
    {"request_location", "Boolean", false},
    {"web_app", "WebAppInfo", false},
};
static const struct field ReplyKeyboardRemove_fields[] = {
    {"remove_keyboard", "Boolean", true},
    {"selective", "Boolean", false},
};
static const struct field ForceReply_fields[] = {
    {"force_reply", "Boolean", true},
    {"input_field_placeholder", "String", false, 1, 64},
    {"selective", "Boolean", false},
};
static const struct field InputMediaPhoto_fields[] = {
    {"type", "String", true},
    {"media", "String", true},
    {"caption", "String", false},
    {"parse_mode", "String", false},
    {"caption_entities", "Array of MessageEntity", false},
    {"show_caption_above_media", "Boolean", false},
    {"has_spoiler", "Boolean", false},
};
static const struct field InputMediaVideo_fields[] = {
    {"type", "String", true},
    {"media", "String", true},
    {"caption", "String", false},
    {"parse_mode", "String", false},
    {"caption_entities", "Array of MessageEntity", false},
    {"show_caption_above_media", "Boolean", false},
    {"width", "Integer", false},
    {"height", "Integer", false},
    {"duration", "Integer", false},
    {"supports_streaming", "Boolean", false},
    {"has_spoiler", "Boolean", false},
};
static const struct field InputMediaAudio_fields[] = {
    {"type", "String", true},
    {"media", "String", true},
    {"caption", "String", false},
    {"parse_mode", "String", false},
    {"caption_entities", "Array of MessageEntity", false},
    {"duration", "Integer", false},
    {"performer", "String", false},
    {"title", "String", false},
};
static const struct field InputMediaDocument_fields[] = {
    {"type", "String", true},
    {"media", "String", true},
    {"caption", "String", false},
    {"parse_mode", "String", false},
    {"caption_entities", "Array of MessageEntity", false},
    {"disable_content_type_detection", "Boolean", false},
};
static const struct field BotCommand_fields[] = {
    {"command", "String", true},
    {"description", "String", true},
};
static const struct field BotCommandScopeDefault_fields[] = {
    {"type", "String", true},
};
static const struct field BotCommandScopeAllPrivateChats_fields[] = {
    {"type", "String", true},
};
static const struct field BotCommandScopeAllGroupChats_fields[] = {
    {"type", "String", true},
};
static const struct field BotCommandScopeAllChatAdministrators_fields[] = {
    {"type", "String", true},
};
static const struct field BotCommandScopeChat_fields[] = {
    {"type", "String", true},
    {"chat_id", "Integer|String", true},
};
static const struct field BotCommandScopeChatAdministrators_fields[] = {
    {"type", "String", true},
    {"chat_id", "Integer|String", true},
};
static const struct field BotCommandScopeChatMember_fields[] = {
    {"type", "String", true},
    {"chat_id", "Integer|String", true},
    {"user_id", "Integer", true},
};
static const struct field LabeledPrice_fields[] = {
    {"label", "String", true},
    {"amount", "Integer", true},
};

#define TYPE(name, mark, prefix) {#name, mark, name##_fields, ARRAY_LEN(name##_fields), prefix}
const struct type telegram_types[] = {
    TYPE(MessageEntity, NULL, "can't parse MessageEntity: "),
    TYPE(LinkPreviewOptions, NULL, "can't parse link preview options: "),
    TYPE(ReplyParameters, NULL, "can't parse reply parameters: "),
    TYPE(InlineKeyboardMarkup, "inline_keyboard", NULL),
    TYPE(InlineKeyboardButton, NULL, "can't parse inline keyboard button: "),
    TYPE(WebAppInfo, NULL, NULL),
    TYPE(LoginUrl, NULL, NULL),
    TYPE(SwitchInlineQueryChosenChat, NULL, NULL),
    TYPE(CopyTextButton, NULL, NULL),
    TYPE(ReplyKeyboardMarkup, "keyboard", NULL),
    TYPE(KeyboardButton, NULL, "can't parse keyboard button: "),
    TYPE(ReplyKeyboardRemove, "remove_keyboard", NULL),
    TYPE(ForceReply, "force_reply", NULL),
    TYPE(InputMediaPhoto, "type=photo", "can't parse InputMedia: "),
    TYPE(InputMediaVideo, "type=video", "can't parse InputMedia: "),
    TYPE(InputMediaAudio, "type=audio", "can't parse InputMedia: "),
    TYPE(InputMediaDocument, "type=document", "can't parse InputMedia: "),
    TYPE(BotCommand, NULL, "can't parse BotCommand: "),
    TYPE(BotCommandScopeDefault, "type=default", "can't parse BotCommandScope: "),
    TYPE(BotCommandScopeAllPrivateChats, "type=all_private_chats", "can't parse BotCommandScope: "),
    TYPE(BotCommandScopeAllGroupChats, "type=all_group_chats", "can't parse BotCommandScope: "),
    TYPE(BotCommandScopeAllChatAdministrators, "type=all_chat_administrators", "can't parse BotCommandScope: "),
    TYPE(BotCommandScopeChat, "type=chat", "can't parse BotCommandScope: "),
    TYPE(BotCommandScopeChatAdministrators, "type=chat_administrators", "can't parse BotCommandScope: "),
    TYPE(BotCommandScopeChatMember, "type=chat_member", "can't parse BotCommandScope: "),
    TYPE(LabeledPrice, NULL, "can't parse labeled price: "),
};
const size_t telegram_type_count = ARRAY_LEN(telegram_types);

/* -- methods -- */

static const struct field getUpdates_fields[] = {
    {"offset", "Integer", false},
    {"limit", "Integer", false},
    {"timeout", "Integer", false},
    {"allowed_updates", "Array of String", false},
};
static const struct field setWebhook_fields[] = {
    {"url", "String", true, 0, 0, "parameter \"url\" is required"},
    {"certificate", "InputFile", false},
    {"ip_address", "String", false},
    {"max_connections", "Integer", false, 1, 100},
    {"allowed_updates", "Array of String", false},
    {"drop_pending_updates", "Boolean", false},
    {"secret_token", "String", false, 0, 256},
};
static const struct field deleteWebhook_fields[] = {
    {"drop_pending_updates", "Boolean", false},
};
static const struct field sendMessage_fields[] = {
    {"chat_id", "Integer|String", true, 0, 0, "chat_id is empty"},
    {"text", "String", true, 0, 0, "message text is empty"},
    {"parse_mode", "String", false},
    {"entities", "Array of MessageEntity", false},
    {"link_preview_options", "LinkPreviewOptions", false},
    {"disable_notification", "Boolean", false},
    {"protect_content", "Boolean", false},
    {"allow_paid_broadcast", "Boolean", false},
    {"reply_parameters", "ReplyParameters", false},
    {"reply_markup", "ReplyMarkup", false},
};
static const struct field sendPhoto_fields[] = {
    {"chat_id", "Integer|String", true, 0, 0, "chat_id is empty"},
    {"photo", "InputFile|String", true, 0, 0, "there is no photo in the request"},
    {"caption", "String", false},
    {"parse_mode", "String", false},
    {"caption_entities", "Array of MessageEntity", false},
    {"show_caption_above_media", "Boolean", false},
    {"has_spoiler", "Boolean", false},
    {"disable_notification", "Boolean", false},
    {"protect_content", "Boolean", false},
    {"allow_paid_broadcast", "Boolean", false},
    {"reply_parameters", "ReplyParameters", false},
    {"reply_markup", "ReplyMarkup", false},
};
static const struct field sendDocument_fields[] = {
    {"chat_id", "Integer|String", true, 0, 0, "chat_id is empty"},
    {"document", "InputFile|String", true, 0, 0, "there is no document in the request"},
    {"caption", "String", false},
    {"parse_mode", "String", false},
    {"caption_entities", "Array of MessageEntity", false},
    {"disable_content_type_detection", "Boolean", false},
    {"disable_notification", "Boolean", false},
    {"protect_content", "Boolean", false},
    {"allow_paid_broadcast", "Boolean", false},
    {"reply_parameters", "ReplyParameters", false},
    {"reply_markup", "ReplyMarkup", false},
};
static const struct field sendVoice_fields[] = {
    {"chat_id", "Integer|String", true, 0, 0, "chat_id is empty"},
    {"voice", "InputFile|String", true, 0, 0, "there is no voice in the request"},
    {"caption", "String", false},
    {"parse_mode", "String", false},
    {"caption_entities", "Array of MessageEntity", false},
    {"duration", "Integer", false},
    {"disable_notification", "Boolean", false},
    {"protect_content", "Boolean", false},
    {"allow_paid_broadcast", "Boolean", false},
    {"reply_parameters", "ReplyParameters", false},
    {"reply_markup", "ReplyMarkup", false},
};
static const struct field sendAudio_fields[] = {
    {"chat_id", "Integer|String", true, 0, 0, "chat_id is empty"},
    {"audio", "InputFile|String", true, 0, 0, "there is no audio in the request"},
    {"caption", "String", false},
    {"parse_mode", "String", false},
    {"caption_entities", "Array of MessageEntity", false},
    {"duration", "Integer", false},
    {"performer", "String", false},
    {"title", "String", false},
    {"disable_notification", "Boolean", false},
    {"protect_content", "Boolean", false},
    {"allow_paid_broadcast", "Boolean", false},
    {"reply_parameters", "ReplyParameters", false},
    {"reply_markup", "ReplyMarkup", false},
};
static const struct field sendVideo_fields[] = {
    {"chat_id", "Integer|String", true, 0, 0, "chat_id is empty"},
    {"video", "InputFile|String", true, 0, 0, "there is no video in the request"},
    {"duration", "Integer", false},
    {"width", "Integer", false},
    {"height", "Integer", false},
    {"caption", "String", false},
    {"parse_mode", "String", false},
    {"caption_entities", "Array of MessageEntity", false},
    {"show_caption_above_media", "Boolean", false},
    {"has_spoiler", "Boolean", false},
    {"supports_streaming", "Boolean", false},
    {"disable_notification", "Boolean", false},
    {"protect_content", "Boolean", false},
    {"allow_paid_broadcast", "Boolean", false},
    {"reply_parameters", "ReplyParameters", false},
    {"reply_markup", "ReplyMarkup", false},
};
static const struct field sendMediaGroup_fields[] = {
    {"chat_id", "Integer|String", true, 0, 0, "chat_id is empty"},
    {"media", "Array of InputMedia", true, 0, 0, "parameter \"media\" is required"},
    {"disable_notification", "Boolean", false},
    {"protect_content", "Boolean", false},
    {"allow_paid_broadcast", "Boolean", false},
    {"reply_parameters", "ReplyParameters", false},
};
static const struct field sendChatAction_fields[] = {
    {"chat_id", "Integer|String", true, 0, 0, "chat_id is empty"},
    {"action", "String", true, 0, 0, "wrong parameter action in request"},
};
static const struct field editMessageText_fields[] = {
    {"chat_id", "Integer|String", true, 0, 0, "chat_id is empty"},
    {"message_id", "Integer", true, 0, 0, "message identifier is not specified"},
    {"text", "String", true, 0, 0, "message text is empty"},
    {"parse_mode", "String", false},
    {"entities", "Array of MessageEntity", false},
    {"link_preview_options", "LinkPreviewOptions", false},
    {"reply_markup", "InlineKeyboardMarkup", false},
};
static const struct field editMessageCaption_fields[] = {
    {"chat_id", "Integer|String", true, 0, 0, "chat_id is empty"},
    {"message_id", "Integer", true, 0, 0, "message identifier is not specified"},
    {"caption", "String", false},
    {"parse_mode", "String", false},
    {"caption_entities", "Array of MessageEntity", false},
    {"show_caption_above_media", "Boolean", false},
    {"reply_markup", "InlineKeyboardMarkup", false},
};
static const struct field editMessageMedia_fields[] = {
    {"chat_id", "Integer|String", true, 0, 0, "chat_id is empty"},
    {"message_id", "Integer", true, 0, 0, "message identifier is not specified"},
    {"media", "InputMedia", true, 0, 0, "parameter \"media\" is required"},
    {"reply_markup", "InlineKeyboardMarkup", false},
};
static const struct field editMessageReplyMarkup_fields[] = {
    {"chat_id", "Integer|String", true, 0, 0, "chat_id is empty"},
    {"message_id", "Integer", true, 0, 0, "message identifier is not specified"},
    {"reply_markup", "InlineKeyboardMarkup", false},
};
static const struct field deleteMessage_fields[] = {
    {"chat_id", "Integer|String", true, 0, 0, "chat_id is empty"},
    {"message_id", "Integer", true, 0, 0, "message identifier is not specified"},
};
static const struct field deleteMessages_fields[] = {
    {"chat_id", "Integer|String", true, 0, 0, "chat_id is empty"},
    {"message_ids", "Array of Integer", true, 1, 100, "parameter \"message_ids\" is required"},
};
static const struct field answerCallbackQuery_fields[] = {
    {"callback_query_id", "String", true, 0, 0,
     "query is too old and response timeout expired or query ID is invalid"},
    {"text", "String", false, 0, 200, NULL, "MESSAGE_TOO_LONG"},
    {"show_alert", "Boolean", false},
    {"url", "String", false},
    {"cache_time", "Integer", false},
};
static const struct field getFile_fields[] = {
    {"file_id", "String", true, 0, 0, "file_id not specified"},
};
static const struct field setMyCommands_fields[] = {
    {"commands", "Array of BotCommand", true, 0, 100,
     "parameter \"commands\" is required", "BOT_COMMANDS_TOO_MUCH"},
    {"scope", "BotCommandScope", false},
    {"language_code", "String", false},
};
static const struct field getMyCommands_fields[] = {
    {"scope", "BotCommandScope", false},
    {"language_code", "String", false},
};
static const struct field deleteMyCommands_fields[] = {
    {"scope", "BotCommandScope", false},
    {"language_code", "String", false},
};
static const struct field setMyDescription_fields[] = {
    {"description", "String", false, 0, 512},
    {"language_code", "String", false},
};
static const struct field getMyDescription_fields[] = {
    {"language_code", "String", false},
};
static const struct field setMyShortDescription_fields[] = {
    {"short_description", "String", false, 0, 120},
    {"language_code", "String", false},
};
static const struct field getMyShortDescription_fields[] = {
    {"language_code", "String", false},
};
static const struct field sendInvoice_fields[] = {
    {"chat_id", "Integer|String", true, 0, 0, "chat_id is empty"},
    {"title", "String", true, 1, 32},
    {"description", "String", true, 1, 255},
    {"payload", "String", true},
    {"provider_token", "String", false},
    {"currency", "String", true},
    {"prices", "Array of LabeledPrice", true},
    {"start_parameter", "String", false, 0, 64},
    {"disable_notification", "Boolean", false},
    {"reply_markup", "InlineKeyboardMarkup", false},
};
static const struct field answerPreCheckoutQuery_fields[] = {
    {"pre_checkout_query_id", "String", true, 0, 0,
     "query is too old and response timeout expired or query ID is invalid"},
    {"ok", "Boolean", true},
    {"error_message", "String", false},
};
static const struct field refundStarPayment_fields[] = {
    {"user_id", "Integer", true},
    {"telegram_payment_charge_id", "String", true},
};
static const struct field getStarTransactions_fields[] = {
    {"offset", "Integer", false},
    {"limit", "Integer", false, 1, 100},
};

#define METHOD(name) {#name, name##_fields, ARRAY_LEN(name##_fields), run_##name, false}
#define METHOD_PLAIN(name) {#name, NULL, 0, run_##name, false}
static const struct method methods[] = {
    METHOD_PLAIN(getMe),
    {"getUpdates", getUpdates_fields, ARRAY_LEN(getUpdates_fields), run_getUpdates, true},
    METHOD(setWebhook),
    METHOD_PLAIN(getWebhookInfo),
    METHOD(deleteWebhook),
    METHOD(sendMessage),
    METHOD(sendPhoto),
    METHOD(sendDocument),
    METHOD(sendVoice),
    METHOD(sendAudio),
    METHOD(sendVideo),
    METHOD(sendMediaGroup),
    METHOD(sendChatAction),
    METHOD(editMessageText),
    METHOD(editMessageCaption),
    METHOD(editMessageMedia),
    METHOD(editMessageReplyMarkup),
    METHOD(deleteMessage),
    METHOD(deleteMessages),
    METHOD(answerCallbackQuery),
    METHOD(getFile),
    METHOD(setMyCommands),
    METHOD(getMyCommands),
    METHOD(deleteMyCommands),
    METHOD(setMyDescription),
    METHOD(getMyDescription),
    METHOD(setMyShortDescription),
    METHOD(getMyShortDescription),
    METHOD(sendInvoice),
    METHOD(answerPreCheckoutQuery),
    METHOD(refundStarPayment),
    METHOD(getStarTransactions),
    METHOD_PLAIN(getMyStarBalance),
};

/* clang-format on */

const struct method *method_find(str name)
{
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (str_eq_nocase(name, str_from(methods[i].name)))
            return &methods[i];
    return NULL;
}

const struct type *type_find(str name)
{
    for (size_t i = 0; i < telegram_type_count; i++)
        if (str_eq(name, str_from(telegram_types[i].name)))
            return &telegram_types[i];
    return NULL;
}
