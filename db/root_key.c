#include "db/root_key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/private_file.h"

#define KEY_DIGITS ((size_t)64) /* two for each byte of the key */

static void fd_close(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    if (digit >= 'A' && digit <= 'F') {
        return digit - 'A' + 10;
    }
    return -1;
}

/* `text`: what the file holds, at most one byte more than a good one. */
static bool decode_key(const char *text, size_t size, uint8_t *ret_key)
{
    if (size != KEY_DIGITS && !(size == KEY_DIGITS + 1 && text[KEY_DIGITS] == '\n')) {
        return false;
    }
    uint8_t key[SECRET_KEY_SIZE];
    bool good = true;
    for (size_t i = 0; i < SECRET_KEY_SIZE; i++) {
        int high = hex_value(text[2 * i]);
        int low = hex_value(text[2 * i + 1]);
        good = good && high >= 0 && low >= 0;
        key[i] = (uint8_t)(((unsigned)high << 4 | (unsigned)low) & 255U);
    }
    if (good) {
        memcpy(ret_key, key, sizeof key);
    }
    secret_wipe(key, sizeof key);
    return good;
}

static bool create_key(const char *path, char *error, size_t error_size)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t key[SECRET_KEY_SIZE];
    char text[KEY_DIGITS + 1];
    if (!secret_random(key, sizeof key)) {
        snprintf(error, error_size,
                 "cannot make the root key: the system gives no random bytes; try again later");
        return false;
    }
    for (size_t i = 0; i < sizeof key; i++) {
        text[2 * i] = digits[key[i] >> 4];
        text[2 * i + 1] = digits[key[i] & 15];
    }
    text[KEY_DIGITS] = '\n';
    bool created = false;
    bool done = file_create_private(path, text, sizeof text, &created, error, error_size);
    secret_wipe(key, sizeof key);
    secret_wipe(text, sizeof text);
    return done;
}

static bool check_file(int fd, const char *path, char *error, size_t error_size)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        snprintf(error, error_size, "cannot read the root key file %s: %m", path);
        return false;
    }
    if (!S_ISREG(status.st_mode)) {
        snprintf(error, error_size, "the root key file %s is not a regular file; name one that is", path);
        return false;
    }
    if ((status.st_mode & 07177) != 0) {
        snprintf(error, error_size,
                 "the root key file %s has mode %04o, others may get at it; run: chmod 600 %s", path,
                 (unsigned)(status.st_mode & 07777), path);
        return false;
    }
    if (status.st_uid != 0 && status.st_uid != geteuid()) {
        snprintf(error, error_size,
                 "the root key file %s belongs to user id %u, not to the service (user id %u) or root; "
                 "make it the service's with chown",
                 path, (unsigned)status.st_uid, (unsigned)geteuid());
        return false;
    }
    return true;
}

bool root_key_load(const char *path, bool create, uint8_t ret_key[static SECRET_KEY_SIZE], char *error,
                   size_t error_size)
{
    /* O_NONBLOCK: a FIFO by mistake must not hang the start. */
    __attribute__((cleanup(fd_close))) int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && create) {
        if (!create_key(path, error, error_size)) {
            return false;
        }
        fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    }
    if (fd < 0) {
        const char *advice = errno == ENOENT   ? "restore it from its backup"
                             : errno == EACCES ? "give it to the user of the service with chown"
                                               : "check the path";
        snprintf(error, error_size, "cannot read the root key file %s: %m; %s", path, advice);
        return false;
    }
    if (!check_file(fd, path, error, error_size)) {
        return false;
    }
    char text[KEY_DIGITS + 2];
    size_t size = 0;
    while (size < sizeof text) {
        ssize_t got = read(fd, text + size, sizeof text - size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            snprintf(error, error_size, "cannot read the root key file %s: %m; check its disk", path);
            secret_wipe(text, sizeof text);
            return false;
        }
        if (got == 0) {
            break;
        }
        size += (size_t)got;
    }
    bool good = decode_key(text, size, ret_key);
    secret_wipe(text, sizeof text);
    if (!good) {
        snprintf(error, error_size,
                 "the root key file %s does not hold 64 hexadecimal digits and a newline; restore it from "
                 "its backup",
                 path);
    }
    return good;
}
