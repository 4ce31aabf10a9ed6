/* How many passwords of callers who have proven nothing are hashed or wait for it: hashing is dear, and who is known needs it
 * too. */
#pragma once

#include <stdbool.h>

#define HASH_GATE_PER_ADDRESS 4
#define HASH_GATE_ROOM        16

struct hash_gate;

enum hash_gate_answer { HASH_GATE_OPEN, HASH_GATE_ADDRESS_FULL, HASH_GATE_FULL };

struct hash_gate *hash_gate_new(void);
void hash_gate_free(struct hash_gate *gate); /* accepts NULL */

/* Takes a place for a password that came from this address. When it is open the caller gives ret_place back. */
enum hash_gate_answer hash_gate_enter(struct hash_gate *gate, const char *address, unsigned *ret_place);
void hash_gate_leave(struct hash_gate *gate, unsigned place);
