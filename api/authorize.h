/* Whether the caller may do what a request asks for, and what of a list he may see. */
#pragma once

#include "model/authority.h"
#include "model/code.h"

struct granter;
struct request;
struct db;

/* What has a name in policies (arn:aws:…). */
enum named_resource {
    RESOURCE_ACCOUNT, /* all that is not one of these */
    RESOURCE_ORGANIZATION,
    RESOURCE_KEY,
    RESOURCE_IAM_USER,
    RESOURCE_IAM_GROUP,
    RESOURCE_POLICY,
    RESOURCE_COUNT
};

/* By the route's action, on the first resource in its path. What the caller may not even see is answered as if it were not
 * there; otherwise CODE_ACCESS_DENIED says which statement decided, to who may see that policy. */
enum code authorize_request(struct request *request);

/* For the handlers of routes that list resources: the ids that the caller may see, as an array literal for `= ANY`; NULL
 * when he may see them all. */
enum code authorize_visible(struct request *request, const char **ret_ids);

/* The same of IAM users, for the list of a group's. */
enum code authorize_visible_users(struct request *request, const char **ret_ids);

/* For the audit log, which tells of identities and keys too: patterns (LIKE) of the targets that are of those which the caller may
 * not see, as an array literal; NULL when there are none. For who sees all organizations: of one kind he sees all or none. */
const char *authorize_hidden_targets(const struct request *request);

/* Of a path with two resources that have names the action was decided on the first. The second is not there for who may neither
 * know of it nor do this to it (none in a region). */
enum code authorize_second(const struct request *request, enum named_resource resource, const char *id);

/* For what a request takes that has no name of its own, besides what its route is about: whether the caller may do `action` too.
 * `missing` for who may not even do `view`, the action of who may know of it; otherwise refused as the request would be. */
enum code authorize_besides(struct request *request, const char *action, const char *view, enum code missing);

/* Whether the caller may know of this resource (none in a region). */
bool authorize_sees(const struct request *request, enum named_resource resource, const char *id);

/* The name of a resource; `region` is "" where it has none. */
const char *authorize_name(struct arena *arena, enum named_resource resource, const char *region,
                           const char *account_id, const char *id);

/* The caller of an authorized request, for what may give authority. */
struct granter authorize_granter(const struct request *request);

/* What a request tells about its caller and its time. */
struct policy_context authorize_context(const struct request *request);

/* {"effect": …, "policy_id": …, …}: what was decided by which statement of whose policies (NULL: that is not told). */
void authorize_write_decision(const struct policy_decision *decision, const struct authority *authority,
                              struct buffer *out);
