#include "model/log.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "model/text.h"

static atomic_int level_limit = LOG_INFO;
static atomic_int line_format = LOG_FORMAT_TEXT;

const char *const log_level_names[] = {"error", "warning", "info", "debug", NULL};

/* A line that would be longer is cut: it must go out in one write, so that lines never mix. */
#define LINE_SIZE 4096

struct line {
    char data[LINE_SIZE];
    size_t length;
    bool is_full;
};

void log_configure(enum log_level level, enum log_format format)
{
    level_limit = (int)level;
    line_format = (int)format;
}

enum log_level log_step(int by)
{
    int level = level_limit + by;
    level_limit = level < LOG_ERROR ? LOG_ERROR : level > LOG_DEBUG ? LOG_DEBUG : level;
    return (enum log_level)level_limit;
}

/* The end of a line has its own room: however long the members are, it ends. */
#define LINE_END 4
/* A text is cut here, so that one that a client chose does not push the others out. */
#define TEXT_LIMIT 1000

static void put_bytes(struct line *line, const char *text, size_t length)
{
    size_t room = sizeof(line->data) - LINE_END - line->length;
    if (length > room) {
        line->is_full = true;
        length = room;
    }
    memcpy(line->data + line->length, text, length);
    line->length += length;
}

static void put(struct line *line, const char *text)
{
    put_bytes(line, text, strlen(text));
}

static void put_end(struct line *line, const char *end)
{
    size_t length = strlen(end);
    memcpy(line->data + line->length, end, length);
    line->length += length;
}

static bool is_plain(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7F || text[i] == '"' ||
            text[i] == '\\')
            return false;
    return length > 0;
}

/* Text from outside: what could end the line or the string, or move a terminal's cursor, is escaped; what is not UTF-8
 * is replaced. Escapes make it longer: it is cut once more, but not in the midst of a character. */
static void put_quoted(struct line *line, const char *text, size_t length)
{
    bool is_utf8 = text_is_utf8(text, length);
    size_t end = line->length + TEXT_LIMIT;
    if (is_plain(text, length)) {
        put_bytes(line, "\"", 1);
        put_bytes(line, text, length);
        put_bytes(line, "\"", 1);
        return;
    }
    put(line, "\"");
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (line->length >= end && !(is_utf8 && (byte & 0xC0) == 0x80))
            break;
        char part[8] = {(char)byte};
        if (byte < 0x20 || byte == 0x7F)
            snprintf(part, sizeof(part), "\\u%04x", byte);
        else if (is_utf8 && byte == 0xC2 && (unsigned char)text[i + 1] < 0xA0) /* U+0080 to U+009F */
            snprintf(part, sizeof(part), "\\u%04x", (unsigned char)text[++i]);
        else if (byte == '"' || byte == '\\')
            snprintf(part, sizeof(part), "\\%c", byte);
        else if (byte >= 0x80 && !is_utf8)
            snprintf(part, sizeof(part), "?");
        put(line, part);
    }
    put(line, "\"");
}

static void put_member(struct line *line, int format, const char *name, const char *text, int64_t number)
{
    char digits[24];
    if (format == LOG_FORMAT_JSON) {
        put(line, ",\"");
        put(line, name);
        put(line, "\":");
    } else {
        put(line, " ");
        put(line, name);
        put(line, "=");
    }
    if (text == NULL) {
        snprintf(digits, sizeof(digits), "%lld", (long long)number);
        put(line, digits);
        return;
    }
    size_t length = strnlen(text, TEXT_LIMIT);
    while (length > TEXT_LIMIT - 4 && ((unsigned char)text[length] & 0xC0) == 0x80)
        length--; /* not in the midst of a character */
    if (format == LOG_FORMAT_TEXT && is_plain(text, length)) {
        put_bytes(line, text, length);
    } else {
        put_quoted(line, text, length);
    }
}

/* Of a thread that writes many lines: a write for each would cost more than making them. */
static _Thread_local struct {
    bool holding;
    size_t length;
    char data[8 * LINE_SIZE];
} held;

/* Standard error may be closed or full: there is nobody left to tell. */
static void put_out(const char *data, size_t length)
{
    ssize_t written = write(STDERR_FILENO, data, length);
    (void)written;
}

void log_release(void)
{
    if (held.length > 0)
        put_out(held.data, held.length);
    held.length = 0;
    held.holding = false;
}

#define STAMP_SIZE 32

/* The second is printed once for all its lines. */
static void make_stamp(char stamp[static STAMP_SIZE])
{
    static _Thread_local time_t second = -1;
    static _Thread_local char printed[STAMP_SIZE];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (now.tv_sec != second) {
        struct tm utc;
        gmtime_r(&now.tv_sec, &utc);
        strftime(printed, sizeof(printed), "%Y-%m-%dT%H:%M:%S.000Z", &utc);
        second = now.tv_sec;
    }
    memcpy(stamp, printed, STAMP_SIZE);
    size_t length = strlen(stamp);
    for (long ms = now.tv_nsec / 1000000, digit = 2; digit <= 4 && length > 5; digit++, ms /= 10)
        stamp[length - (size_t)digit] = (char)('0' + ms % 10);
}

void log_members(enum log_level level, const char *event, const struct log_member *members, size_t count)
{
    static const char *const text_levels[] = {" ERROR ", " WARNING ", " INFO ", " DEBUG "};
    if ((int)level > level_limit)
        return;

    int format = line_format;
    struct line line = {.length = 0};
    char stamp[STAMP_SIZE];
    make_stamp(stamp);

    if (format == LOG_FORMAT_JSON) {
        put(&line, "{\"time\":\"");
        put(&line, stamp);
        put(&line, "\",\"level\":\"");
        put(&line, log_level_names[level]);
        put(&line, "\"");
        put_member(&line, format, "event", event, 0);
    } else {
        put(&line, stamp);
        put(&line, text_levels[level]);
        put(&line, event);
    }
    for (size_t i = 0; i < count; i++) {
        size_t before = line.length;
        if (members[i].name == NULL)
            continue;
        put_member(&line, format, members[i].name, members[i].text, members[i].number);
        if (line.is_full) { /* left out, rather than a line that nobody can parse */
            line.length = before;
            line.is_full = false;
        }
    }
    put_end(&line, format == LOG_FORMAT_JSON ? "}\n" : "\n");

    if (!held.holding || level < LOG_INFO) {
        log_release();
        put_out(line.data, line.length);
        return;
    }
    if (held.length + line.length > sizeof(held.data))
        log_release();
    held.holding = true;
    memcpy(held.data + held.length, line.data, line.length);
    held.length += line.length;
}

void log_hold(void)
{
    held.holding = true;
}
