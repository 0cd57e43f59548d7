/* floor_b - one loop over libfcgi, json-c and hiredis moves the same bytes; nothing of ours. */
#include <fcgiapp.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#define AT(object, name) json_object_object_get(object, name)
enum { MOST = 1024, EVENTS = 64 };
struct turn {
    FCGX_Request fcgi;
    char key[4][40], user[24], id[24], answer[1024], call[160];
    int is_ending;
};
static struct turn *owed[MOST]; /* whose replies come, in order */
static redisContext *redis;
static char *begin_sha, *end_sha;
static int epoll_fd, oldest, newest;
static struct json_tokener *tokener;
static const char begin_script[] =
    "redis.call('HSET', KEYS[2], 'm', ARGV[1]) redis.call('INCR', KEYS[3]) local s = "
    "redis.call('HGETALL', KEYS[1]) table.insert(s, 1, 'run') table.insert(s, 2, 0) return s";
static const char end_script[] =
    "redis.call('HSET', KEYS[2], 'u', ARGV[12]) redis.call('HINCRBY', KEYS[1], 'v', 1) "
    "redis.call('XADD', KEYS[4], '*', unpack(ARGV, 17, 20)) return {'ok', ARGV[12]}";
static void send_command(struct turn *t, const char **words, int count)
{
    t->is_ending = count > 9;
    redisAppendCommandArgv(redis, count, words, NULL);
    owed[newest++ % MOST] = t;
}
static void begin(struct turn *t)
{
    static char body[65536];
    if (FCGX_Accept_r(&t->fcgi) < 0) /* nginx has closed it */
        return free(t);
    int len = FCGX_GetStr(body, sizeof body, t->fcgi.in);
    struct json_object *update = json_tokener_parse_ex(tokener, body, len);
    const char *secret = FCGX_GetParam("HTTP_X_TELEGRAM_BOT_API_SECRET_TOKEN", t->fcgi.envp);
    const char *ours = getenv("TELEGRAM_WEBHOOK_SECRET");
    if (!update || !secret || !ours || strcmp(secret, ours) != 0)
        exit(1);
    struct json_object *query = AT(update, "callback_query"), *from = AT(query, "from");
    long user = json_object_get_int64(AT(from, "id"));
    snprintf(t->user, sizeof t->user, "%ld", user);
    snprintf(t->id, sizeof t->id, "%ld", (long)json_object_get_int64(AT(update, "update_id")));
    static const char *const kinds[] = {"session", "last", "flood", "ans"};
    for (int i = 0; i < 4; i++)
        snprintf(t->key[i], 40, "%s:{b%02ld}:%ld", kinds[i], user % 64, user);
    strchr(t->key[3], '}')[1] = '\0'; /* the stream is the bucket's */
    snprintf(t->answer, sizeof t->answer,
             "{\"method\":\"editMessageText\",\"chat_id\":%ld,\"text\":\"%-870s\"}", user,
             json_object_get_string(AT(from, "first_name")));
    snprintf(t->call, sizeof t->call,
             "{\"method\":\"answerCallbackQuery\",\"callback_query_id\":\"%s\"}",
             json_object_get_string(AT(query, "id")));
    json_object_put(update);
    const char *words[] = {"EVALSHA", begin_sha, "3",    t->key[0], t->key[1],
                           t->key[2], t->id,     "5000", "120"};
    send_command(t, words, 9);
}
static void end(struct turn *t, redisReply *begun) /* run, 0, u, the user, v, version… */
{
    char *version = begun->element[5]->str;
    const char *words[] = {"EVALSHA", end_sha,  "4",    t->key[0], t->key[1], t->key[2], t->key[3],
                           t->id,     version,  "0",    "idle",    "idle",    "604800",  "0",
                           "2",       "inline", "4",    "call",    t->answer, "chat",    t->user,
                           "answer",  "4",      "call", t->call,   "chat",    t->user};
    send_command(t, words, 27);
}
static void answer(struct turn *t)
{
    FCGX_FPrintF(t->fcgi.out, "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                 (int)strlen(t->answer), t->answer);
    FCGX_Finish_r(&t->fcgi);
}
static void watch(int fd, void *owner)
{
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &(struct epoll_event){EPOLLIN, {.ptr = owner}});
}
static void on_ready(void *owner)
{
    int fd;
    if (owner == redis) {
        redisBufferRead(redis);
        for (void *reply; redisGetReplyFromReader(redis, &reply) == REDIS_OK && reply;) {
            struct turn *t = owed[oldest++ % MOST];
            t->is_ending ? answer(t) : end(t, reply);
            freeReplyObject(reply);
        }
    } else if (owner) {
        begin(owner);
    } else if ((fd = accept4(0, NULL, NULL, 0)) >= 0) {
        struct turn *t = calloc(1, sizeof *t);
        FCGX_InitRequest(&t->fcgi, -1, 0);
        t->fcgi.keepConnection = 1; /* it takes what was accepted here for one that it kept */
        t->fcgi.ipcFd = fd;
        watch(fd, t);
    }
}
int main(void)
{
    struct epoll_event events[EVENTS];
    redis = redisConnectUnix(getenv("REDIS_URL") + strlen("unix://"));
    begin_sha = ((redisReply *)redisCommand(redis, "SCRIPT LOAD %s", begin_script))->str;
    end_sha = ((redisReply *)redisCommand(redis, "SCRIPT LOAD %s", end_script))->str;
    tokener = json_tokener_new();
    epoll_fd = epoll_create1(FCGX_Init());
    fcntl(0, F_SETFL, O_NONBLOCK);
    watch(0, NULL);
    watch(redis->fd, redis);
    for (int count = 0; count >= 0; count = epoll_wait(epoll_fd, events, EVENTS, -1)) {
        for (int i = 0; i < count; i++)
            on_ready(events[i].data.ptr);
        for (int is_done = 0; !is_done;)
            redisBufferWrite(redis, &is_done);
    }
}
