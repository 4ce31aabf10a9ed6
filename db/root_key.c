#include "db/root_key.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/private_file.h"

#define KEY_DIGITS 64 /* two for each byte of the key */

static void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static bool create_key(const char *path, char *error, size_t error_size)
{
    uint8_t key[SECRET_KEY_SIZE];
    char text[KEY_DIGITS + 1];
    bool created;
    if (!secret_random(key, sizeof(key)) ||
        !OPENSSL_buf2hexstr_ex(text, sizeof(text), NULL, key, sizeof(key), '\0')) {
        snprintf(error, error_size,
                 "cannot make the root key: the system gives no random bytes; try again later");
        return false;
    }
    text[KEY_DIGITS] = '\n';
    bool done = file_create_private(path, text, sizeof(text), &created, error, error_size);
    secret_wipe(key, sizeof(key));
    secret_wipe(text, sizeof(text));
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

bool root_key_parse(const char *text, size_t length, uint8_t ret_key[static SECRET_KEY_SIZE])
{
    char digits[KEY_DIGITS + 1];
    uint8_t key[SECRET_KEY_SIZE];
    size_t decoded = 0;
    if (length != KEY_DIGITS && (length != KEY_DIGITS + 1 || text[KEY_DIGITS] != '\n'))
        return false;
    memcpy(digits, text, KEY_DIGITS);
    digits[KEY_DIGITS] = '\0';
    bool good = OPENSSL_hexstr2buf_ex(key, sizeof(key), &decoded, digits, '\0') && decoded == sizeof(key);
    if (good)
        memcpy(ret_key, key, sizeof(key));
    secret_wipe(key, sizeof(key));
    secret_wipe(digits, sizeof(digits));
    return good;
}

static bool read_key(int fd, const char *path, uint8_t ret_key[static SECRET_KEY_SIZE], char *error,
                     size_t error_size)
{
    char text[KEY_DIGITS + 2];
    ssize_t size = read(fd, text, sizeof(text));
    bool good = size > 0 && root_key_parse(text, (size_t)size, ret_key);
    secret_wipe(text, sizeof(text));
    if (!good)
        snprintf(
            error, error_size,
            "the root key file %s does not hold 64 hexadecimal digits and a newline; restore it from its "
            "backup",
            path);
    return good;
}

bool root_key_load(const char *path, bool create, uint8_t ret_key[static SECRET_KEY_SIZE], char *error,
                   size_t error_size)
{
    /* O_NONBLOCK: a FIFO by mistake must not hang the start. */
    __attribute__((cleanup(fd_close))) int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && create) {
        if (!create_key(path, error, error_size))
            return false;
        fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    }
    if (fd < 0) {
        const char *advice = errno == ENOENT   ? "restore it from its backup"
                             : errno == EACCES ? "give it to the user of the service with chown"
                                               : "check the path";
        snprintf(error, error_size, "cannot read the root key file %s: %m; %s", path, advice);
        return false;
    }
    if (!check_file(fd, path, error, error_size))
        return false;
    return read_key(fd, path, ret_key, error, error_size);
}

bool root_key_read_credential(const char *path, uint8_t ret_key[static SECRET_KEY_SIZE], char *error,
                              size_t error_size)
{
    __attribute__((cleanup(fd_close))) int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        snprintf(error, error_size, "cannot read the credential %s: %m", path);
        return false;
    }
    return read_key(fd, path, ret_key, error, error_size);
}
