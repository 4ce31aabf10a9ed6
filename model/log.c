#include "model/log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static atomic_int level_limit = LOG_INFO;
static atomic_int line_format = LOG_FORMAT_TEXT;

/* A line that would be longer is cut: it must go out in one write, so that lines never mix. */
#define LINE_SIZE 4096

struct line {
    char data[LINE_SIZE];
    size_t length;
};

void log_configure(enum log_level level, enum log_format format)
{
    level_limit = (int)level;
    line_format = (int)format;
}

static void put(struct line *line, const char *text)
{
    size_t room = sizeof(line->data) - 4 - line->length;
    size_t length = strnlen(text, room);
    memcpy(line->data + line->length, text, length);
    line->length += length;
}

/* Text from outside: what could end the line or the string is escaped. */
static void put_quoted(struct line *line, const char *text)
{
    put(line, "\"");
    for (; *text != '\0' && line->length < sizeof(line->data) - 16; text++) {
        unsigned char byte = (unsigned char)*text;
        char part[8] = {(char)byte};
        if (byte < 0x20 || byte == 0x7F)
            snprintf(part, sizeof(part), "\\u%04x", byte);
        else if (byte == '"' || byte == '\\')
            snprintf(part, sizeof(part), "\\%c", byte);
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
    } else if (format == LOG_FORMAT_TEXT && *text != '\0' && strpbrk(text, " \"\\\t\r\n") == NULL) {
        put(line, text);
    } else {
        put_quoted(line, text);
    }
}

void log_members(enum log_level level, const char *event, const struct log_member *members, size_t count)
{
    static const char *const json_levels[] = {"error", "warning", "info", "debug"};
    static const char *const text_levels[] = {" ERROR ", " WARNING ", " INFO ", " DEBUG "};
    if ((int)level > level_limit)
        return;

    int format = line_format;
    struct line line = {.length = 0};
    struct timespec now;
    struct tm utc;
    char stamp[40];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t used = strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(stamp + used, sizeof(stamp) - used, ".%03ldZ", now.tv_nsec / 1000000);

    if (format == LOG_FORMAT_JSON) {
        put(&line, "{\"time\":\"");
        put(&line, stamp);
        put(&line, "\",\"level\":\"");
        put(&line, json_levels[level]);
        put(&line, "\"");
        put_member(&line, format, "event", event, 0);
    } else {
        put(&line, stamp);
        put(&line, text_levels[level]);
        put(&line, event);
    }
    for (size_t i = 0; i < count; i++)
        put_member(&line, format, members[i].name, members[i].text, members[i].number);
    put(&line, format == LOG_FORMAT_JSON ? "}\n" : "\n");

    /* Standard error may be closed or full: there is nobody left to tell. */
    ssize_t written = write(STDERR_FILENO, line.data, line.length);
    (void)written;
}
