/* Email flow rules in the database. All changes of an organization's rules come one after the other: each brings the warnings
 * of all of them up to date. */
#pragma once

#include "db/list.h"
#include "db/tx.h"
#include "model/flow_match.h"

struct flow_rule_query {
    struct list_query page;
    const char *action;
    const char *q;
};
extern const struct field_table flow_rule_query_table;

enum code flow_rule_list(struct db *db, const char *account_id, const char *organization_id,
                         struct flow_rule_query *query, struct problem *problem, struct buffer *out,
                         const char **ret_next_token);

/* Reading one, in two halves. */
void flow_rule_queue(struct db *db, const char *account_id, const char *organization_id,
                     const char *flow_rule_id);
enum code flow_rule_collect(struct db *db, struct problem *problem, struct answer *answer);

/* Patterns are as flow_rule_parse_patterns leaves them. */
enum code flow_rule_create(struct db *db, struct change *change, const char *organization_id,
                           const struct flow_rule *rule);
enum code flow_rule_update(struct db *db, struct change *change, const char *organization_id,
                           const char *flow_rule_id, const struct flow_rule *patch, uint64_t set);
enum code flow_rule_delete(struct db *db, struct change *change, const char *organization_id,
                           const char *flow_rule_id);

/* All rules of an organization as what matches them; in two halves. On CODE_OK the caller frees the matcher. */
void flow_rule_queue_matcher(struct db *db, const char *account_id, const char *organization_id);
enum code flow_rule_collect_matcher(struct db *db, struct problem *problem,
                                    struct flow_matcher **ret_matcher);
