/* One line an event on standard error, as JSON or for a terminal. Only the top of the program logs; libraries return
 * codes. Level and format are the one global of the program. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* Text, or LOG_NUMBER. Without a name there is nothing. */
struct log_member {
    const char *name;
    const char *text;
    int64_t number;
};

extern const char *const log_level_names[]; /* NULL after the last */

void log_configure(enum log_level level, enum log_format format);

/* One level more (1) or less (-1), as far as there is one; the new level. */
enum log_level log_step(int by);

void log_members(enum log_level level, const char *event, const struct log_member *members, size_t count);

#define LOG_TEXT(member_name, value)                                  \
    {                                                                 \
        .name = (member_name), .text = (value) != NULL ? (value) : "" \
    }
/* Left out when there is none. */
#define LOG_OPTIONAL(member_name, value)                                \
    {                                                                   \
        .name = (value) != NULL ? (member_name) : NULL, .text = (value) \
    }
#define LOG_NUMBER(member_name, value)           \
    {                                            \
        .name = (member_name), .number = (value) \
    }

/* Between the two the lines of this thread are held and go out as one; errors and warnings at once. */
void log_hold(void);
void log_release(void);

/* LOG(LOG_INFO, "ready", LOG_TEXT("url", url), LOG_NUMBER("port", port)) */
#define LOG(level, event, ...)                                          \
    log_members(level, event, (const struct log_member[]){__VA_ARGS__}, \
                sizeof((const struct log_member[]){__VA_ARGS__}) / sizeof(struct log_member))
