/* The parts of applying a chunk (db/import_apply.c): looking, deciding, writing. All within its transaction. */
#pragma once

#include "db/entity_change.h"
#include "db/group.h"
#include "db/user.h"
#include "model/email.h"
#include "model/import.h"
#include "model/limit.h"

/* An address that somebody has, a member that is there, or a domain: of lists that are short. */
struct import_known {
    const char *name;
    const char *entity_id;
    bool is_group;
    bool is_in;       /* a member: in the group already */
    bool is_verified; /* a domain */
    struct import_known *next;
};

struct import_line {
    int64_t number;
    const char *json; /* or, behind an exclamation mark, what is wrong with it */
    size_t length;
    struct import_entry entry;
    uint64_t set;
    bool is_group;
    struct problem decoded; /* what is wrong with it by itself */

    /* Of one attempt. */
    struct problem problem;
    const char *outcome; /* NULL: none yet */
    const char *entity_id;
    const char *changes; /* for the audit log; NULL: nothing was changed */
    bool is_new;

    const char *folded;          /* its name … */
    const char **folded_members; /* … and those of its members; as many as there are */
    unsigned round;              /* of the chunk's, from 1; 0: it has none */
    const char *
        *addresses; /* all that it names or brings along: the primary one, that of the test domain, aliases */
    size_t address_count;
    const char *primary;    /* NULL: it names none */
    const char *test_alias; /* NULL: its name makes none */
    const char **aliases;   /* NULL after the last */

    /* As it is found. */
    bool is_there;
    bool was_tried; /* an earlier line of an import that keeps nothing would have made it */
    const char *kind, *type, *state, *email;
    int64_t alias_count;
    struct import_entry present;
    struct import_known *owners;  /* of those of its addresses that somebody has */
    struct import_known *members; /* those of its members that are there, by the names in the line */

    /* What is to be done. */
    bool enables, makes_primary;
    uint64_t changed;
    const char **new_aliases; /* NULL after the last */
};

struct import_chunk {
    const char *import_id;
    const char *number;
    bool validate_only;
    bool is_last;
    const char *actor, *access_key_id, *source_address, *request_id; /* who sent it */
    struct import_line *lines;
    size_t count;
    const char *new_hashes; /* of passwords, when there are more to make; else NULL */
};

struct import_work {
    struct db *db;
    struct change *change;
    const struct organization_row *organization;
    struct import_chunk *chunk;
    struct import_known *domains; /* of the organization */
    int64_t alias_limit;
    int64_t trial_room; /* how many may be enabled yet; negative: any number */
};

/* What holds for all lines; locks what has to be locked before entities. */
enum code import_enter(struct import_work *work);
/* What names and addresses the lines are about, before anything is looked up. */
enum code import_name_lines(struct import_work *work);
/* Locks and reads what is there of these lines. */
enum code import_look(struct import_work *work, struct import_line **lines, size_t count);
/* What is to be done with a line; or its faults. */
void import_decide(struct import_work *work, struct import_line *line);
/* Does it: of lines that all have members, or of which none has. */
enum code import_write(struct import_work *work, struct import_line **lines, size_t count);
/* Notes names and addresses that would be there now. Queues; nothing to collect. */
void import_queue_trial_keys(struct import_work *work);
