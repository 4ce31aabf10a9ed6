/* The threads that follow external directories: one for each, so that none holds up another. */
#pragma once

#include "db/conn.h"

struct directory_follower;

/* NULL, with errno of it, when there is no thread to be had. */
struct directory_follower *directory_follower_start(const struct db_environment *environment);

/* Tells the threads to end, and does not wait for it. Accepts NULL. */
void directory_follower_end(struct directory_follower *follower);
/* What is being followed is left to others, or to the next start. Accepts NULL. */
void directory_follower_stop(struct directory_follower *follower);
