/* A program that runs as a child of this process and never outlives it. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct child_program {
    const char *const *arguments; /* the first is the program's path; NULL ends them */
    const char *const *environment;
    const char *folder; /* in which it is started */
    int output_fd;      /* takes its output and its errors */
    int death_signal;   /* what it gets when the thread that started it ends, in whatever way */
};

struct child {
    pid_t pid;    /* 0: not running */
    int status;   /* as of waitpid, once it has ended */
    char end[80]; /* how it ended, in words; "" while it runs */
};

/* False with errno when it is missing. One that cannot be executed writes why and ends with 127. */
bool child_start(struct child *child, const struct child_program *program);

/* Never blocks. True when the child is not running (any more). */
bool child_reap(struct child *child);

/* Waits for its end; false when it still runs after that time. */
bool child_wait(struct child *child, int limit_ms);

/* Between two looks at somebody's process. False when this one is asked to end meanwhile: SIGTERM or SIGINT wait for the
 * thread that blocks them. */
bool child_pause(int pause_ms);
