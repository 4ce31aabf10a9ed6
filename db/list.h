/* Keyset pages. A list's optional filters and orders choose among constant fragments, so that each combination is a
 * constant statement with a plan of its own; nothing from a request becomes SQL text. */
#pragma once

#include "db/conn.h"
#include "model/field.h"

#define LIST_MAX_FILTERS 9
#define LIST_MAX_ORDERS  4
#define LIST_MAX_KEYS    2 /* columns in one order_by */

struct list_order {
    const char *name;       /* as in order_by */
    const char *expression; /* NOT NULL */
    const char *type;       /* of the expression */
};

struct list_spec {
    const struct field_table *table;
    const char *with;    /* "WITH … " that comes before the SELECT; NULL: nothing */
    const char *columns; /* the rows of the table, in order */
    const char *from;    /* "FROM … WHERE …" over the fixed parameters $1 … */
    const char *counted; /* the same rows without what only the columns and orders need; NULL: from */
    /* More rows, in the same order by an index of their own, that the same filters are put to; NULL: none. The texts of the
     * keys, which have collation "C" or are of one length, are in the order of the keys. */
    const char *besides;
    int fixed;
    const char *filters[LIST_MAX_FILTERS]; /* " AND …"; `$?` stands for its value */
    const char *visible;                   /* " AND … = ANY($?)", where some callers see only some */
    struct list_order orders[LIST_MAX_ORDERS];
    const char *default_order;
    const char *id; /* unique within the list: the last sort column */
    const char *id_type;
    /* What each page says of the whole, also an empty one: a boolean member and its expression over what `with`, which then
     * is not NULL, has. */
    const char *flag_name;
    const char *flag;
};

/* What a request asks of a list. */
struct list_query {
    int64_t page_size;
    const char *page_token;
    const char *order_by;
    bool include_total;
    const char *filters[LIST_MAX_FILTERS]; /* NULL: not filtered */
    const char *visible; /* ids as an array literal; NULL: all. Tokens are not bound to it */
};

#define LIST_PAGE_SIZE 50
#define LIST_PAGE_MAX  1000

/* The rows that a list's query table has besides its filters; the order's only where there is a choice. */
#define LIST_PAGE_ROWS(type)                                           \
    {.name = "page_size",                                              \
     .kind = FIELD_INTEGER,                                            \
     .min = 1,                                                         \
     .max = INT32_MAX,                                                 \
     .offset = FIELD_OFFSET(type, page.page_size, int64_t)},           \
        {.name = "page_token",                                         \
         .kind = FIELD_STRING,                                         \
         .min = 1,                                                     \
         .max = 2048,                                                  \
         .offset = FIELD_OFFSET(type, page.page_token, const char *)}, \
    {                                                                  \
        .name = "include_total", .kind = FIELD_BOOLEAN,                \
        .offset = FIELD_OFFSET(type, page.include_total, bool)         \
    }
#define LIST_ORDER_ROW(type)                                            \
    {                                                                   \
        .name = "order_by", .kind = FIELD_STRING, .min = 1, .max = 128, \
        .offset = FIELD_OFFSET(type, page.order_by, const char *)       \
    }

/* Such a list, of an account: `asked` is its query, of the type that stands beside its declaration. Writes {"items":[…], …};
 * ret_next_token is NULL on the last page. */
typedef enum code list_of_account(struct db *db, const char *account_id, void *asked, struct problem *problem,
                                  struct buffer *out, const char **ret_next_token);

/* A list between its two halves. */
struct list_pending {
    const struct list_spec *spec;
    bool counts;    /* the number of all is asked for */
    bool has_token; /* starts behind a page token */
    int keys;       /* sort columns, the id included */
    int64_t page_size;
    const char *binding; /* what a page token is bound to */
};

/* Checks the query and queues its statements. `fixed` are the fixed parameters, `arena` holds what list_collect needs. */
enum code list_queue(struct db *db, const struct list_spec *spec, const struct list_query *query,
                     const char *const *fixed, struct arena *arena, struct problem *problem,
                     struct list_pending *ret_pending);

/* Writes {"items":[…], …}. ret_next_token is NULL on the last page. */
enum code list_collect(struct db *db, const struct list_pending *pending, struct problem *problem,
                       struct buffer *out, const char **ret_next_token);

/* Both, where nothing goes out between them; out's arena holds what they need. */
enum code list_run(struct db *db, const struct list_spec *spec, const struct list_query *query,
                   const char *const *fixed, struct problem *problem, struct buffer *out,
                   const char **ret_next_token);
