#include "api/hash_gate.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "api/rate_limit.h"

struct hash_gate {
    pthread_mutex_t mutex;
    struct {
        bool taken;
        char key[RATE_LIMIT_KEY_SIZE]; /* of an address */
    } places[HASH_GATE_ROOM];
};

struct hash_gate *hash_gate_new(void)
{
    struct hash_gate *gate = calloc(1, sizeof(*gate));
    if (gate == NULL)
        abort();
    pthread_mutex_init(&gate->mutex, NULL);
    return gate;
}

void hash_gate_free(struct hash_gate *gate)
{
    if (gate == NULL)
        return;
    pthread_mutex_destroy(&gate->mutex);
    free(gate);
}

enum hash_gate_answer hash_gate_enter(struct hash_gate *gate, const char *address, unsigned *ret_place)
{
    char key[RATE_LIMIT_KEY_SIZE] = "";
    unsigned of_address = 0;
    unsigned place = HASH_GATE_ROOM;
    enum hash_gate_answer answer = HASH_GATE_OPEN;
    rate_limit_address_key(address, key);

    pthread_mutex_lock(&gate->mutex);
    for (unsigned i = 0; i < HASH_GATE_ROOM; i++) {
        if (!gate->places[i].taken)
            place = i;
        else
            of_address += strcmp(gate->places[i].key, key) == 0;
    }
    if (of_address >= HASH_GATE_PER_ADDRESS)
        answer = HASH_GATE_ADDRESS_FULL;
    else if (place == HASH_GATE_ROOM)
        answer = HASH_GATE_FULL;
    if (answer == HASH_GATE_OPEN) {
        gate->places[place].taken = true;
        memcpy(gate->places[place].key, key, sizeof(key));
        *ret_place = place;
    }
    pthread_mutex_unlock(&gate->mutex);
    return answer;
}

void hash_gate_leave(struct hash_gate *gate, unsigned place)
{
    pthread_mutex_lock(&gate->mutex);
    gate->places[place].taken = false;
    pthread_mutex_unlock(&gate->mutex);
}
