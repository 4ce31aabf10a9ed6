#include "db/state_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define LOCK_TRIES    100
#define LOCK_PAUSE_NS 10000000L

/* A holder killed with SIGKILL keeps its lock until the kernel has taken it apart, some milliseconds. */
static bool lock_with_patience(int fd)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return false;
        struct timespec pause = {.tv_sec = 0, .tv_nsec = LOCK_PAUSE_NS};
        nanosleep(&pause, NULL);
    }
    errno = EWOULDBLOCK;
    return false;
}

static void describe_refusal(int fd, const char *state_dir, const char *path, char *error, size_t error_size)
{
    if (errno != EWOULDBLOCK) {
        snprintf(error, error_size,
                 "cannot lock %s: %m; the state folder must be on a file system with locks", path);
        return;
    }
    char text[32] = "";
    ssize_t size = pread(fd, text, sizeof(text) - 1, 0);
    long pid = size > 0 ? strtol(text, NULL, 10) : 0;
    if (pid > 0) {
        snprintf(error, error_size,
                 "another service, process %ld, runs on the state folder %s; stop it or choose another "
                 "--state-dir",
                 pid, state_dir);
    } else {
        snprintf(error, error_size,
                 "another service runs on the state folder %s; stop it or choose another --state-dir",
                 state_dir);
    }
}

int state_lock(const char *state_dir, char *error, size_t error_size)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/lock", state_dir);
    if (length < 0 || (size_t)length >= sizeof(path)) {
        snprintf(error, error_size, "the path of the state folder is too long; choose a shorter one");
        return -1;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        snprintf(error, error_size,
                 "cannot open %s: %m; check that the state folder belongs to the service's user", path);
        return -1;
    }
    if (!lock_with_patience(fd)) {
        describe_refusal(fd, state_dir, path, error, error_size);
        close(fd);
        return -1;
    }
    char text[32];
    int size = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)size, 0) != size) {
        snprintf(error, error_size, "cannot write %s: %m; check that its disk has room", path);
        close(fd);
        return -1;
    }
    return fd;
}
