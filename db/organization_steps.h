/* The steps of an organization's set-up and removal, queued in the worker's transaction. */
#pragma once

#include "db/organization.h"

void organization_make_directory(struct db *db, struct change *change, const struct organization_row *row);
/* Makes up to a thousand entries of its directory DISABLED entities; collects whether there are more. */
enum code organization_import_directory(struct db *db, struct change *change,
                                        const struct organization_row *row, bool *ret_more);
/* Collects: CODE_MAIL_DOMAIN_STATE when another organization has the domain. */
enum code organization_make_test_domain(struct db *db, struct change *change,
                                        const struct organization_row *row);
void organization_make_defaults(struct db *db, const struct organization_row *row);
/* An external one, from now on. */
void organization_follow_directory(struct db *db, const struct organization_row *row);
void organization_mark_completed(struct db *db, const struct organization_row *row);
/* Removes up to a thousand entities, keeping entries for a directory that stays; collects whether there are more. */
enum code organization_remove_entities(struct db *db, struct change *change,
                                       const struct organization_row *row, bool keep_directory,
                                       bool *ret_more);
void organization_remove_settings(struct db *db, const struct organization_row *row);
void organization_release_directory(struct db *db, const struct organization_row *row, bool keep_directory);
void organization_mark_deleted(struct db *db, const struct organization_row *row);
