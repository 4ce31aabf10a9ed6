/* Prefer: wait (RFC 7240). A request whose answer shows an operation that still runs is held: an entry of a list, without
 * a thread and without a connection to the database. It is looked at again, in its lane, when a hint says that its
 * operation ended, every few seconds because a hint may be lost, and when its time is over. */
#pragma once

#include "api/request.h"
#include "db/notifier.h"

#define WAITING_MAX_S 60

struct waiting;

/* `wake` is called, on any thread, when the loop should call waiting_take_due. At most `limit` requests are held at
 * once; those beyond are answered at once. */
struct waiting *waiting_new(struct notifier *notifier, unsigned limit, void (*wake)(void *argument),
                            void *argument);
/* Nothing is held any more. Accepts NULL. */
void waiting_free(struct waiting *waiting);

/* --- for the loop's thread --- */

/* Of a request that comes from its lane: whether it is held, or held on. Else it is to be answered. */
bool waiting_hold(struct waiting *waiting, struct request *request);

/* Those to be looked at now, linked by `next`: they go to their lanes, and from there, or at once when there is no room,
 * back to waiting_hold. */
struct request *waiting_take_due(struct waiting *waiting);

/* One of them found no room in its lane: what it was looked at for holds on, so that it is due again soon. */
void waiting_put_off(struct request *request);

/* A held request is not to wait any longer. True: it is to be answered as it is. False: it is in its lane just now, and
 * waiting_hold will say no. */
bool waiting_release(struct waiting *waiting, struct request *request);

/* From now on nothing is held: all that is will be due, once. */
void waiting_end(struct waiting *waiting);

/* --- for the executor's threads --- */

/* Looks at the operation of a held request, and renews the answer if that works. Who may not have it any more, by then, is
 * refused; of a change he is answered as before. */
enum code waiting_look(struct request *request);
