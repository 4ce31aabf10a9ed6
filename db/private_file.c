#include "db/private_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, text, size);
        if (written < 0) {
            if (errno == EINTR)
                continue;
            return false;
        }
        text += written;
        size -= (size_t)written;
    }
    return true;
}

/* Writes a temporary file beside `path` and fsyncs it; its name goes to `temporary`. */
static bool write_temporary(const char *path, const char *text, size_t size, char temporary[static PATH_MAX],
                            char *error, size_t error_size)
{
    int length = snprintf(temporary, PATH_MAX, "%s.XXXXXX", path);
    if (length < 0 || length >= PATH_MAX) {
        snprintf(error, error_size, "the path %s is too long; choose a shorter one", path);
        return false;
    }
    int fd = mkostemp(temporary, O_CLOEXEC); /* makes it 0600 */
    if (fd < 0) {
        snprintf(error, error_size, "cannot write %s: %m; check that its folder exists and may be written",
                 path);
        return false;
    }
    bool done = write_all(fd, text, size) && fsync(fd) == 0;
    int saved = errno;
    close(fd);
    if (!done) {
        unlink(temporary);
        errno = saved;
        snprintf(error, error_size, "cannot write %s: %m; check that its disk has room and is in order",
                 path);
    }
    return done;
}

bool file_sync_folder(const char *path, char *error, size_t error_size)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (length >= sizeof(folder)) {
        snprintf(error, error_size, "the path %s is too long; choose a shorter one", path);
        return false;
    }
    memcpy(folder, path, length);
    folder[length] = '\0';
    int fd = open(length == 0 ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = fd >= 0 && fsync(fd) == 0;
    if (!done) {
        snprintf(error, error_size, "cannot fsync the folder of %s: %m; check its permissions and its disk",
                 path);
    }
    if (fd >= 0)
        close(fd);
    return done;
}

bool file_write_private(const char *path, const char *text, size_t size, char *error, size_t error_size)
{
    char temporary[PATH_MAX];
    if (!write_temporary(path, text, size, temporary, error, error_size))
        return false;
    if (rename(temporary, path) != 0) {
        snprintf(error, error_size, "cannot put %s in place: %m; check what stands there", path);
        unlink(temporary);
        return false;
    }
    return file_sync_folder(path, error, error_size);
}

bool file_create_private(const char *path, const char *text, size_t size, bool *ret_created, char *error,
                         size_t error_size)
{
    char temporary[PATH_MAX];
    if (!write_temporary(path, text, size, temporary, error, error_size))
        return false;
    /* link and not rename: it refuses when a file is there, so that of two processes one alone makes it. */
    bool created = link(temporary, path) == 0;
    int saved = errno;
    unlink(temporary);
    if (!created && saved != EEXIST) {
        errno = saved;
        snprintf(error, error_size, "cannot put %s in place: %m; check its folder's permissions", path);
        return false;
    }
    /* The loser of a race syncs too: it is going to rely on a file whose maker may not have got that far. */
    if (!file_sync_folder(path, error, error_size))
        return false;
    *ret_created = created;
    return true;
}
