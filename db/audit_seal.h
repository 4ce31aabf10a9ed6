/* Sealing: committed events get their number and hash, and the new end of their chain is signed. Any number of processes
 * may try at once: one does it. */
#pragma once

#include "db/tx.h"
#include "model/audit.h"

#define AUDIT_MEMORY_SIZE 64

/* The heads that this process signed last: who puts an older one back is found out, and what is known need not be
 * verified. */
struct audit_memory {
    struct {
        char chain[16];
        int64_t sequence;
        char hash[AUDIT_HASH_LENGTH + 1];
    } heads[AUDIT_MEMORY_SIZE];
};

enum audit_trouble {
    AUDIT_GOOD,
    AUDIT_HEAD_WENT_BACK, /* it is older than one that this process signed; sealing goes on */
    AUDIT_HEAD_ALTERED, /* its signature is wrong: its chain is not sealed, for a new signature would cover that up */
    AUDIT_HEAD_MISSING, /* there are events, but no head: the same */
};

/* A chain that a batch had events of. */
struct audit_sealed {
    struct audit_head head; /* as it now is, or as it was found when it is in trouble */
    const char *signature;
    enum audit_trouble trouble;
    struct audit_sealed *next;
};

/* Seals up to some hundred events. ret_sealed lists their chains (NULL: none, or another process is at it); ret_more
 * tells whether there may be further ones. Chains in trouble are named in `skipped`, an array literal, and left out. */
enum code audit_seal(struct db *db, const uint8_t key[static SECRET_KEY_SIZE], struct audit_memory *memory,
                     struct arena *arena, struct problem *problem, const char **skipped,
                     const struct audit_sealed **ret_sealed, bool *ret_more);

/* For the operator, who has looked at what happened to a chain that is not sealed any more: signs a new head at its last
 * event. What was altered stays to be found, and this is an event itself. */
enum code audit_restart(struct db *db, struct change *change, const uint8_t key[static SECRET_KEY_SIZE]);
