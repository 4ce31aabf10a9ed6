/* Tables that say what the members of a resource are. One table drives decoding and checking of bodies and query
 * strings, reading of database rows, writing of JSON, and `postreeve admin describe-api`. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/buffer.h"
#include "model/problem.h"

enum field_kind {
    FIELD_STRING,  /* const char *; NULL = not set */
    FIELD_INTEGER, /* int64_t */
    FIELD_BOOLEAN, /* bool */
    FIELD_ENUM,    /* const char *, one of `values` */
    FIELD_TIME,    /* const char *, RFC 3339 */
    FIELD_STRINGS, /* const char *const *, NULL after the last; NULL = not set; min and max are their number */
    FIELD_JSON,    /* const char *, JSON text; in bodies an object */
};

enum field_flag {
    FIELD_REQUIRED = 1,    /* when creating */
    FIELD_CREATE_ONLY = 2, /* refused by PATCH */
    FIELD_READ_ONLY = 4,   /* refused in every body */
    FIELD_WRITE_ONLY = 8,  /* never in an answer, not a column of the view */
    FIELD_NULLABLE = 16,   /* null in a PATCH clears it */
    FIELD_LINES = 32,      /* a text that may have lines */
};

/* Says in `detail` what is wrong with a value of the right type and length. */
typedef bool field_check(const char *value, const char **ret_detail);

struct field {
    const char *name; /* `part.member` for a member of a sub-object */
    enum field_kind kind;
    unsigned flags;
    size_t offset;    /* in the struct that the table describes */
    int64_t min, max; /* of the value, or of the length in characters */
    const char *const *values;
    field_check *check;
    const char *check_code; /* fault code when check refuses; "invalid_format" when NULL */
};

struct field_table {
    const char *name;
    const struct field *fields;
    size_t count;
};

/* The offset of a member, refusing to compile when it has another type. */
#define FIELD_OFFSET(type, member, member_type)                                                     \
    (offsetof(type, member) +                                                                       \
     0 * sizeof(struct {                                                                            \
         int unused;                                                                                \
         _Static_assert(__builtin_types_compatible_p(__typeof__(((type *)0)->member), member_type), \
                        "the table says another type than the struct");                             \
     }))

#define FIELD_STRING_ROW(type, member, row_flags, minimum, maximum, ...)                                 \
    {                                                                                                    \
        .name = #member, .kind = FIELD_STRING, .flags = (row_flags), .min = (minimum), .max = (maximum), \
        .offset = FIELD_OFFSET(type, member, const char *), __VA_ARGS__                                  \
    }
#define FIELD_ENUM_ROW(type, member, row_flags, row_values)                                \
    {                                                                                      \
        .name = #member, .kind = FIELD_ENUM, .flags = (row_flags), .values = (row_values), \
        .offset = FIELD_OFFSET(type, member, const char *)                                 \
    }
#define FIELD_INTEGER_ROW(type, member, row_flags, minimum, maximum)                                      \
    {                                                                                                     \
        .name = #member, .kind = FIELD_INTEGER, .flags = (row_flags), .min = (minimum), .max = (maximum), \
        .offset = FIELD_OFFSET(type, member, int64_t)                                                     \
    }
#define FIELD_STRINGS_ROW(type, member, row_flags, minimum, maximum)                                      \
    {                                                                                                     \
        .name = #member, .kind = FIELD_STRINGS, .flags = (row_flags), .min = (minimum), .max = (maximum), \
        .offset = FIELD_OFFSET(type, member, const char *const *)                                         \
    }
#define FIELD_JSON_ROW(type, member, row_flags)                    \
    {                                                              \
        .name = #member, .kind = FIELD_JSON, .flags = (row_flags), \
        .offset = FIELD_OFFSET(type, member, const char *)         \
    }
#define FIELD_BOOLEAN_ROW(type, member, row_flags)                    \
    {                                                                 \
        .name = #member, .kind = FIELD_BOOLEAN, .flags = (row_flags), \
        .offset = FIELD_OFFSET(type, member, bool)                    \
    }
#define FIELD_TIME_ROW(type, member, row_flags)                    \
    {                                                              \
        .name = #member, .kind = FIELD_TIME, .flags = (row_flags), \
        .offset = FIELD_OFFSET(type, member, const char *)         \
    }
/* A member that the service makes: it is in answers only. */
#define FIELD_READ_ONLY_ROW(row_name, row_kind, ...)                                  \
    {                                                                                 \
        .name = (row_name), .kind = (row_kind), .flags = FIELD_READ_ONLY, __VA_ARGS__ \
    }

#define FIELD_TABLE(table_name, rows)                                                     \
    {                                                                                     \
        .name = (table_name), .fields = (rows), .count = sizeof(rows) / sizeof((rows)[0]) \
    }

enum field_mode {
    FIELD_CREATE, /* required members must be there */
    FIELD_UPDATE, /* merge-patch (RFC 7396) */
};

/* Decodes a JSON body into `target`, which holds the defaults. All faults are added to the problem at once; a syntax
 * error or a duplicate key names its line and column. ret_set gets one bit for each row that was given, of faulty ones too. */
enum code field_decode_body(const struct field_table *table, enum field_mode mode, const char *body,
                            size_t length, void *target, uint64_t *ret_set, struct problem *problem);

/* The same for a raw query string (without the `?`). */
enum code field_decode_query(const struct field_table *table, const char *query, void *target,
                             uint64_t *ret_set, struct problem *problem);

/* Copies the members of `from` whose bit is set over those of `into`. */
void field_merge(const struct field_table *table, uint64_t set, const void *from, void *into);

/* Stores the text of a database column or a default into its member; NULL makes strings NULL. */
void field_store(const struct field *field, const char *text, void *target);

/* The table as JSON, for `postreeve admin describe-api`. */
void field_describe(const struct field_table *table, struct buffer *out);
