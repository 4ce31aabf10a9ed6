/* Hints between the threads and processes that share a database: jobs are waiting; operations ended; identities or email
 * flow rules changed. A hint may be lost or late: who waits for jobs or operations polls as well, and who caches identities
 * or flow rules stops while hints cannot be heard. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct notifier;

/* The connection string is kept, not copied. */
struct notifier *notifier_new(const char *conninfo);

/* Connects and starts the thread that listens. False when there is no thread to be had. */
bool notifier_start(struct notifier *notifier);

/* Ends every wait, now and later. The thread goes on. */
void notifier_stop_waiting(struct notifier *notifier);

/* Ends the thread and frees. Nobody may wait any more. Accepts NULL. */
void notifier_free(struct notifier *notifier);

/* A job was enqueued and committed here: wakes a local worker now and other processes soon. */
void notifier_job_enqueued(struct notifier *notifier);

/* Told, on any thread, that a job may be there, a domain to be looked at, or a directory to be followed. Two in a process, told
 * apart by their argument. With NULL this one is not any more, once this has returned. */
#define NOTIFIER_JOB_WATCHERS 2
typedef void notifier_arrived(void *argument);
void notifier_watch_jobs(struct notifier *notifier, notifier_arrived *arrived, void *argument);

/* Waits until a job may be there or the time is over. False once notifier_stop_waiting was called. */
bool notifier_wait_for_job(struct notifier *notifier, int timeout_ms);

/* Told, on any thread, of an operation that ended, here or in another process; an empty id: any may have. */
typedef void notifier_ended(void *argument, const char *operation_id);

/* Who wants to be told: one in a process. With NULL nobody is, once this has returned. */
void notifier_watch_operations(struct notifier *notifier, notifier_ended *ended, void *argument);

/* An operation's end was committed here: tells who watches now, and other processes soon. */
void notifier_operation_ended(struct notifier *notifier, const char *operation_id);

/* Changes whenever an identity, key or policy may have changed; 0 while changes cannot be heard. */
uint64_t notifier_identity_generation(const struct notifier *notifier);

/* A change of identities was committed here: this process need not wait for the notice that others hear. */
void notifier_identities_changed(struct notifier *notifier);

/* The same for the email flow rules of an organization, and whether it is serving. */
uint64_t notifier_flow_rules_generation(const struct notifier *notifier, const char *organization_id);
void notifier_flow_rules_changed(struct notifier *notifier, const char *organization_id);

#define NOTIFIER_IDENTITY_CHANNEL "postreeve_identity"
