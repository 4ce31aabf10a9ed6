#include "db/cluster_log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIMIT (10L * 1024 * 1024)

bool cluster_log_open(struct cluster_log *log, char *error, size_t error_size)
{
    log->fd = open(log->path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (log->fd < 0)
        snprintf(error, error_size, "cannot open %s: %m; check its owner and its disk", log->path);
    return log->fd >= 0;
}

off_t cluster_log_size(const struct cluster_log *log)
{
    struct stat status;
    return fstat(log->fd, &status) == 0 ? status.st_size : 0;
}

/* It is copied and emptied: the server goes on writing to the same descriptor, so a rename would not do.
 * Lines written in between may be lost. */
void cluster_log_bound(const struct cluster_log *log)
{
    off_t size = cluster_log_size(log);
    if (size <= LIMIT)
        return;
    off_t offset = size - LIMIT;
    int old_fd = open(log->old_path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    while (old_fd >= 0 && offset < size && sendfile(old_fd, log->fd, &offset, (size_t)(size - offset)) > 0) {
    }
    if (old_fd >= 0)
        close(old_fd);
    if (ftruncate(log->fd, 0) != 0)
        return; /* a read-only or full disk shows elsewhere soon enough */
}

static const char *telling_part(const char *line)
{
    static const char *const marks[] = {"PANIC:", "FATAL:", "error:"};
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        const char *found = strstr(line, marks[i]);
        if (found != NULL)
            return found;
    }
    return NULL;
}

void cluster_log_last_words(const struct cluster_log *log, off_t offset, char *out, size_t out_size)
{
    char text[8192];
    off_t room = (off_t)sizeof(text) - 1;
    off_t size = cluster_log_size(log);
    ssize_t got = pread(log->fd, text, (size_t)room, size - offset > room ? size - room : offset);
    text[got > 0 ? got : 0] = '\0';

    const char *last = "no word in its log";
    const char *telling = NULL;
    char *rest = text;
    for (const char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        const char *part = telling_part(line);
        if (part != NULL)
            telling = part;
        if (*line != '\0')
            last = line;
    }
    snprintf(out, out_size, "%s", telling != NULL ? telling : last);
}
