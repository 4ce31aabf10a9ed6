#include "db/list.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "db/row.h"
#include "model/digest.h"
#include "model/json_out.h"

#define MAX_PARAMETERS (9 + LIST_MAX_FILTERS + LIST_MAX_KEYS + 2)
#define SEPARATOR      "\x1f" /* no text of ours holds control characters */

struct key {
    const char *expression;
    const char *type;
    bool descending;
};

/* Which of a list's statements: what distinguishes their texts. */
struct variant {
    unsigned filters; /* bit per filter */
    struct key keys[LIST_MAX_KEYS + 1];
    int key_count;
    bool some;  /* only what the caller may see */
    bool after; /* starts behind a page token */
    bool count; /* counts instead */
};

/* --- order --- */

static enum code bad_order(const struct list_spec *spec, struct problem *problem)
{
    struct buffer names = {.arena = problem->arena};
    for (size_t i = 0; i < LIST_MAX_ORDERS && spec->orders[i].name != NULL; i++)
        buffer_printf(&names, "%s%s", i > 0 ? ", " : "", spec->orders[i].name);
    problem_add_parameter(problem, "order_by", "invalid_value",
                          "At most %d different ones of: %s; with - before it a column descends.",
                          LIST_MAX_KEYS, buffer_string(&names));
    return CODE_VALIDATION_FAILED;
}

static enum code read_order(const struct list_spec *spec, const char *text, struct problem *problem,
                            struct variant *variant)
{
    const struct list_order *used[LIST_MAX_KEYS] = {NULL};
    int count = 0;
    if (text == NULL)
        text = spec->default_order;
    for (;;) {
        size_t length = strcspn(text, ",");
        bool descending = text[0] == '-';
        const char *name = text + descending;
        size_t name_length = length - descending;
        const struct list_order *order = NULL;
        for (size_t i = 0; i < LIST_MAX_ORDERS && spec->orders[i].name != NULL; i++)
            if (strlen(spec->orders[i].name) == name_length &&
                strncmp(spec->orders[i].name, name, name_length) == 0)
                order = &spec->orders[i];
        if (order == NULL || count == LIST_MAX_KEYS || (count > 0 && used[0] == order))
            return bad_order(spec, problem);
        used[count] = order;
        variant->keys[count++] = (struct key){order->expression, order->type, descending};
        if (text[length] == '\0')
            break;
        text += length + 1;
    }
    /* The id makes the order total; it runs the way of the column before it, which one index can serve. */
    variant->keys[count] = (struct key){spec->id, spec->id_type, variant->keys[count - 1].descending};
    variant->key_count = count + 1;
    return CODE_OK;
}

/* --- statement texts --- */

/* Appends a fragment whose `$?` becomes the next parameter. */
static void add_fragment(struct buffer *sql, const char *fragment, int *parameters)
{
    const char *mark;
    while ((mark = strstr(fragment, "$?")) != NULL) {
        buffer_append(sql, fragment, (size_t)(mark - fragment));
        buffer_printf(sql, "$%d", ++*parameters);
        fragment = mark + 2;
    }
    buffer_text(sql, fragment);
}

/* Rows behind the last one of the page before: a row comparison where all columns run one way (an index serves it),
 * else the same written out. */
static void add_position(struct buffer *sql, const struct variant *variant, int *parameters)
{
    int first = *parameters + 1;
    bool one_way = true;
    for (int i = 1; i < variant->key_count; i++)
        one_way = one_way && variant->keys[i].descending == variant->keys[0].descending;
    *parameters += variant->key_count;

    buffer_text(sql, " AND (");
    if (one_way) {
        for (int i = 0; i < variant->key_count; i++)
            buffer_printf(sql, "%s%s", i > 0 ? ", " : "", variant->keys[i].expression);
        buffer_printf(sql, ") %s (", variant->keys[0].descending ? "<" : ">");
        for (int i = 0; i < variant->key_count; i++)
            buffer_printf(sql, "%s$%d::%s", i > 0 ? ", " : "", first + i, variant->keys[i].type);
    } else {
        for (int i = 0; i < variant->key_count; i++) {
            buffer_text(sql, i > 0 ? " OR (" : "(");
            for (int j = 0; j <= i; j++) {
                const struct key *key = &variant->keys[j];
                buffer_printf(sql, "%s%s %s $%d::%s", j > 0 ? " AND " : "", key->expression,
                              j < i             ? "="
                              : key->descending ? "<"
                                                : ">",
                              first + j, key->type);
            }
            buffer_text(sql, ")");
        }
    }
    buffer_text(sql, ")");
}

/* The rows of one FROM; each takes the same parameters. */
static void add_rows(struct buffer *sql, const struct list_spec *spec, const struct variant *variant,
                     const char *from, int *parameters)
{
    *parameters = spec->fixed;
    buffer_text(sql, "SELECT ");
    if (variant->count) {
        buffer_text(sql, "count(*)");
    } else {
        buffer_text(sql, spec->columns);
        for (int i = 0; i < variant->key_count; i++)
            buffer_printf(sql, ", (%s)::text", variant->keys[i].expression);
    }
    buffer_printf(sql, " %s", from);
    for (unsigned i = 0; i < LIST_MAX_FILTERS; i++)
        if ((variant->filters & (1U << i)) != 0)
            add_fragment(sql, spec->filters[i], parameters);
    if (variant->some)
        add_fragment(sql, spec->visible, parameters);
    if (variant->count)
        return;
    if (variant->after)
        add_position(sql, variant, parameters);
    for (int i = 0; i < variant->key_count; i++)
        buffer_printf(sql, "%s%s%s", i > 0 ? ", " : " ORDER BY ", variant->keys[i].expression,
                      variant->keys[i].descending ? " DESC" : "");
    buffer_printf(sql, " LIMIT $%d::bigint", ++*parameters);
}

/* A page of each, in order, of which the first ones are the page of both: the keys stand behind the columns. */
static void add_both(struct buffer *sql, const struct list_spec *spec, const struct variant *variant,
                     const char *from, int *parameters)
{
    buffer_text(sql, variant->count ? "SELECT (" : "SELECT * FROM ((");
    add_rows(sql, spec, variant, from, parameters);
    buffer_text(sql, variant->count ? ") + (" : ") UNION ALL (");
    add_rows(sql, spec, variant, spec->besides, parameters);
    buffer_text(sql, variant->count ? ")" : ")) both_of_them");
    if (variant->count)
        return;
    for (int i = 0; i < variant->key_count; i++)
        buffer_printf(sql, "%s%d%s", i > 0 ? ", " : " ORDER BY ", row_columns(spec->table) + 1 + i,
                      variant->keys[i].descending ? " DESC" : "");
    buffer_printf(sql, " LIMIT $%d::bigint", *parameters);
}

static const char *build(struct arena *arena, const struct list_spec *spec, const struct variant *variant,
                         int *ret_parameters)
{
    struct buffer sql = {.arena = arena};
    const char *from = variant->count && spec->counted != NULL ? spec->counted : spec->from;
    bool has_flag = spec->flag != NULL && !variant->count;

    if (spec->with != NULL)
        buffer_text(&sql, spec->with);
    if (has_flag)
        buffer_text(&sql, ", page AS MATERIALIZED (");
    if (spec->besides != NULL)
        add_both(&sql, spec, variant, from, ret_parameters);
    else
        add_rows(&sql, spec, variant, from, ret_parameters);
    /* One row at least, which has the flag. */
    if (has_flag)
        buffer_printf(&sql, ") SELECT p.*, %s FROM (SELECT) one LEFT JOIN page p ON true", spec->flag);
    return buffer_string(&sql);
}

/* Statements are made once a process and never freed: connections know them by address. Their number is bounded by the
 * filters and orders of the lists. */
struct built {
    struct statement statement;
    struct built *next;
};
static struct built *all_built[256];
static pthread_mutex_t built_mutex = PTHREAD_MUTEX_INITIALIZER;

static const struct statement *find_statement(struct arena *arena, const struct list_spec *spec,
                                              const struct variant *variant)
{
    int parameters;
    const char *sql = build(arena, spec, variant, &parameters);
    size_t hash = 5381;
    for (const char *at = sql; *at != '\0'; at++)
        hash = hash * 33 + (unsigned char)*at;

    pthread_mutex_lock(&built_mutex);
    struct built **bucket = &all_built[hash % (sizeof(all_built) / sizeof(all_built[0]))];
    struct built *built = *bucket;
    while (built != NULL && strcmp(built->statement.sql, sql) != 0)
        built = built->next;
    if (built == NULL) {
        struct arena *forever = arena_new();
        built = arena_alloc(forever, sizeof(*built));
        built->statement = (struct statement){arena_string(forever, sql), parameters};
        built->next = *bucket;
        *bucket = built;
    }
    pthread_mutex_unlock(&built_mutex);
    return &built->statement;
}

/* --- page tokens: base64url of binding, sort values and id --- */

/* A token fits only the list, filters and order that it came from. */
static const char *bind(struct arena *arena, const struct list_spec *spec, const struct list_query *query,
                        const char *const *fixed)
{
    struct buffer text = {.arena = arena};
    buffer_printf(&text, "%s%s%s", spec->table->name, SEPARATOR,
                  query->order_by != NULL ? query->order_by : "");
    for (int i = 0; i < spec->fixed; i++)
        buffer_printf(&text, "%s%s", SEPARATOR, fixed[i] != NULL ? fixed[i] : "");
    for (int i = 0; i < LIST_MAX_FILTERS; i++)
        buffer_printf(&text, "%s%s", SEPARATOR, query->filters[i] != NULL ? query->filters[i] : "\x1e");

    return buffer_string(&text);
}

#define SEAL_LENGTH 16
/* Of what a token is bound to and of what it holds: one that was cut or altered does not fit either. */
static const char *seal(struct arena *arena, const char *binding, const char *values)
{
    struct buffer text = {.arena = arena};
    unsigned char digest[DIGEST_SIZE];
    char *hex = arena_alloc(arena, SEAL_LENGTH + 1);
    buffer_printf(&text, "%s%s", binding, values);
    digest_sha256(text.data, text.length, digest);
    digest_to_hex(digest, SEAL_LENGTH / 2, hex);
    return hex;
}

/* base64url without padding, RFC 4648, 5. */
static const char *encode(struct arena *arena, const char *data, size_t length)
{
    char *text = arena_alloc(arena, length * 4 / 3 + 8);
    EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)data, (int)length);
    for (char *at = text; *at != '\0'; at++) {
        if (*at == '+')
            *at = '-';
        else if (*at == '/')
            *at = '_';
        else if (*at == '=')
            *at = '\0';
    }
    return text;
}

static const char *make_token(struct arena *arena, const struct list_pending *pending, const PGresult *result,
                              int row)
{
    struct buffer values = {.arena = arena};
    struct buffer text = {.arena = arena};
    int first = row_columns(pending->spec->table);
    for (int i = 0; i < pending->keys; i++) {
        buffer_text(&values, SEPARATOR);
        buffer_append(&values, PQgetvalue(result, row, first + i),
                      (size_t)PQgetlength(result, row, first + i));
    }
    buffer_text(&text, seal(arena, pending->binding, buffer_string(&values)));
    buffer_append(&text, values.data, values.length);
    return encode(arena, text.data, text.length);
}

static enum code bad_token(struct problem *problem)
{
    return problem_set(problem, CODE_INVALID_PAGE_TOKEN,
                       "The token is of another list, filter or order, or was cut; start again without it.");
}

static enum code read_token(struct arena *arena, const char *token, const char *binding, int keys,
                            struct problem *problem, const char **ret_values)
{
    size_t length = strlen(token);
    size_t padding = (4 - length % 4) % 4;
    char *base64 = arena_alloc(arena, length + padding + 1);
    for (size_t i = 0; i < length; i++)
        base64[i] = token[i] == '-' ? '+' : token[i] == '_' ? '/' : token[i];
    memset(base64 + length, '=', padding);
    char *text = arena_alloc(arena, length + padding + 1);
    int decoded = padding < 3 ? EVP_DecodeBlock((unsigned char *)text, (const unsigned char *)base64,
                                                (int)(length + padding))
                              : -1;
    /* Of several texts that stand for the same bytes only the one that we make. */
    if (decoded < 0 || strlen(text) < SEAL_LENGTH || strcmp(encode(arena, text, strlen(text)), token) != 0 ||
        strncmp(text, seal(arena, binding, text + SEAL_LENGTH), SEAL_LENGTH) != 0)
        return bad_token(problem);

    char *at = text + SEAL_LENGTH;
    for (int i = 0; i < keys; i++) {
        if (*at != SEPARATOR[0])
            return bad_token(problem);
        *at++ = '\0';
        ret_values[i] = at;
        at += strcspn(at, SEPARATOR);
    }
    return *at == '\0' ? CODE_OK : bad_token(problem);
}

/* --- running --- */

enum code list_queue(struct db *db, const struct list_spec *spec, const struct list_query *query,
                     const char *const *fixed, struct arena *arena, struct problem *problem,
                     struct list_pending *ret_pending)
{
    struct variant variant = {.after = query->page_token != NULL};
    const char *parameters[MAX_PARAMETERS];
    int count = 0;

    enum code code = read_order(spec, query->order_by, problem, &variant);
    if (code != CODE_OK)
        return code;
    struct list_pending pending = {
        .spec = spec,
        .counts = query->include_total,
        .has_token = query->page_token != NULL,
        .keys = variant.key_count,
        .page_size = query->page_size > LIST_PAGE_MAX ? LIST_PAGE_MAX : query->page_size,
        .binding = bind(arena, spec, query, fixed),
    };

    for (int i = 0; i < spec->fixed; i++)
        parameters[count++] = fixed[i];
    for (unsigned i = 0; i < LIST_MAX_FILTERS; i++) {
        if (query->filters[i] != NULL) {
            variant.filters |= 1U << i;
            if (strstr(spec->filters[i], "$?") != NULL)
                parameters[count++] = query->filters[i];
        }
    }
    if (query->visible != NULL) {
        variant.some = true;
        parameters[count++] = query->visible;
    }
    int counting = count;
    if (variant.after) {
        code = read_token(arena, query->page_token, pending.binding, variant.key_count, problem,
                          parameters + count);
        if (code != CODE_OK)
            return code;
        count += variant.key_count;
    }
    /* One row more than the page tells whether there is another. */
    parameters[count++] = row_integer(arena, pending.page_size + 1);
    db_queue_parameters(db, find_statement(arena, spec, &variant), parameters, count);
    if (query->include_total) {
        variant.count = true;
        db_queue_parameters(db, find_statement(arena, spec, &variant), parameters, counting);
    }
    *ret_pending = pending;
    return CODE_OK;
}

enum code list_collect(struct db *db, const struct list_pending *pending, struct problem *problem,
                       struct buffer *out, const char **ret_next_token)
{
    DB_RESULT result = NULL;
    enum code code = db_collect(db, problem, &result);
    /* The token's values are the only ones that no table has checked. */
    if (code == CODE_BAD_REQUEST && pending->has_token)
        return bad_token(problem);
    if (code != CODE_OK)
        return code;

    int rows = PQntuples(result);
    int first_key = row_columns(pending->spec->table);
    if (rows == 1 && PQgetisnull(result, 0, first_key)) /* that of the flag alone */
        rows = 0;
    bool more = rows > pending->page_size;
    if (more)
        rows = (int)pending->page_size;
    const char *token = more ? make_token(out->arena, pending, result, rows - 1) : NULL;

    out_begin_object(out);
    out_name(out, "items");
    out_begin_array(out);
    code = row_write_all(result, rows, pending->spec->table, out);
    out_end_array(out);
    out_member(out, "next_page_token", token);
    if (pending->spec->flag != NULL)
        out_member_boolean(out, pending->spec->flag_name,
                           PQgetvalue(result, 0, first_key + pending->keys)[0] == 't');
    if (code == CODE_OK && pending->counts) {
        DB_RESULT total = NULL;
        code = db_collect(db, problem, &total);
        if (code == CODE_OK) {
            out_name(out, "total");
            out_raw(out, PQgetvalue(total, 0, 0), (size_t)PQgetlength(total, 0, 0));
        }
    }
    out_end_object(out);
    if (code == CODE_OK)
        *ret_next_token = token;
    return code;
}

enum code list_run(struct db *db, const struct list_spec *spec, const struct list_query *query,
                   const char *const *fixed, struct problem *problem, struct buffer *out,
                   const char **ret_next_token)
{
    struct list_pending pending;
    enum code code = list_queue(db, spec, query, fixed, out->arena, problem, &pending);
    return code == CODE_OK ? list_collect(db, &pending, problem, out, ret_next_token) : code;
}
