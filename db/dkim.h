/* DKIM keys of mail domains in the database, and the zone that they are published in. */
#pragma once

#include "db/list.h"
#include "db/organization.h"
#include "db/tx.h"
#include "model/dkim.h"

/* --- requests --- */

/* Answers the domain's keys. A test domain has none, and one that was just registered not yet. */
enum code dkim_get(struct db *db, const char *account_id, const char *organization_id, const char *domain,
                   struct problem *problem, struct answer *answer);

/* The keys that sign are to be replaced as soon as the next ones are known; answers the domain's keys. */
enum code dkim_rotate(struct db *db, struct change *change, const char *organization_id, const char *domain,
                      const struct dkim_rotation *rotation);

/* Answers the private keys that sign; without a body, and without an event in the audit log, when `known_tags` (NULL: none)
 * names the answer's entity tag. CODE_MAIL_DOMAIN_STATE unless the domain is verified and has keys. */
enum code dkim_export_keys(struct db *db, struct change *change, const char *organization_id,
                           const char *domain, const char *known_tags);

/* --- the zone, which is the operator's: of all accounts --- */

/* The entity tag of the whole zone: read it before the zone, so that no change is missed. */
enum code dkim_zone_find_tag(struct db *db, struct problem *problem, const char **ret_etag);

struct dkim_zone_query {
    struct list_query page;
};
extern const struct field_table dkim_zone_query_table;
enum code dkim_zone_list(struct db *db, struct dkim_zone_query *query, struct problem *problem,
                         struct buffer *out, const char **ret_next_token);

/* The same as lines of a master file; behind the last one of all a comment that says so. */
enum code dkim_zone_write_file(struct db *db, const struct dkim_zone_part *part, struct problem *problem,
                               struct buffer *out);

/* --- parts of other transactions --- */

/* The keys of the organization's domains are looked at at once: for who registers a domain. */
void dkim_hurry(struct db *db, struct arena *arena, const char *organization_id);

/* The same once its data key is there: for domains that came before it. */
void dkim_hurry_again(struct db *db, const char *organization_id);
/* The same for all organizations under a master key, which can be used again. */
void dkim_hurry_under_key(struct db *db, const char *account_id, const char *key_id);

/* --- private keys --- */

/* What one is bound to, as data_key_seal takes it; and the same as a column, of `dkim_key k`. */
const char *dkim_sealed_row(struct arena *arena, const char *domain, const char *selector, const char *value);
#define DKIM_KEY_BOUND_TO "concat_ws(E'\n', 'dkim_key', k.domain, k.selector, k.value) AS bound_to"

/* --- the job of an organization --- */

/* The step that comes next among its domains. */
struct dkim_turn {
    const char *domain; /* NULL: it has none with keys */
    const char *selector;
    struct dkim_step step;
    int64_t wait_us;     /* until then; 0: it is due */
    struct dkim_key key; /* that a step brings, … */
    const char *sealed;  /* … and its private key as a parameter */
    bool is_held_up;     /* the master key cannot be used */
};

/* Finds it; in no transaction. A new key is made, when it is due. */
enum code dkim_prepare(struct db *db, const char *organization_id, struct problem *problem,
                       struct dkim_turn *ret_turn);

/* Takes it, unless something changed meanwhile: then nothing is done. The organization is locked. */
enum code dkim_take(struct db *db, struct change *change, const struct organization_row *organization,
                    const struct dkim_turn *turn);
