#include "api/privileges.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_STATE_DIR "/var/lib/postreeve"

struct account {
    uid_t uid;
    gid_t gid;
    char name[256];
    char home[PATH_MAX];
};

static void fd_close(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
}

static bool account_find(const char *user, struct account *ret_account, char *error, size_t error_size)
{
    struct passwd entry;
    struct passwd *found = NULL;
    char buffer[16384];
    int code = getpwnam_r(user, &entry, buffer, sizeof buffer, &found);
    if (found == NULL) {
        if (code != 0) {
            errno = code;
            snprintf(error, error_size, "cannot look up the user %s: %m; check /etc/nsswitch.conf", user);
        } else {
            snprintf(error, error_size,
                     "the user %s does not exist; run: useradd --system --no-create-home --shell "
                     "/usr/sbin/nologin %s",
                     user, user);
        }
        return false;
    }
    if (found->pw_uid == 0) {
        snprintf(
            error, error_size,
            "the user %s is root, as which PostgreSQL refuses to run; name an unprivileged user with --user",
            user);
        return false;
    }
    if (strlen(found->pw_name) >= sizeof ret_account->name ||
        strlen(found->pw_dir) >= sizeof ret_account->home) {
        snprintf(error, error_size, "the name or home folder of the user %s is too long; name another --user",
                 user);
        return false;
    }
    ret_account->uid = found->pw_uid;
    ret_account->gid = found->pw_gid;
    snprintf(ret_account->name, sizeof ret_account->name, "%s", found->pw_name);
    snprintf(ret_account->home, sizeof ret_account->home, "%s", found->pw_dir);
    return true;
}

/* ---- The state folder ---- */

/* An absolute path to work on: only made absolute, symbolic links in it stay. */
static bool path_make_absolute(const char *path, char out[static PATH_MAX], char *error, size_t error_size)
{
    char folder[PATH_MAX] = "";
    if (path[0] == '\0') {
        snprintf(error, error_size, "the path of the state folder is empty; set --state-dir");
        return false;
    }
    if (path[0] != '/' && getcwd(folder, sizeof folder) == NULL) {
        snprintf(error, error_size,
                 "cannot tell the current folder: %m; set --state-dir to a path that starts with /");
        return false;
    }
    int length = snprintf(out, PATH_MAX, "%s%s%s", folder, path[0] == '/' ? "" : "/", path);
    if (length < 0 || length >= PATH_MAX) {
        snprintf(error, error_size, "the path of the state folder is too long; choose a shorter one");
        return false;
    }
    return true;
}

/* Cuts the next component off `*rest`: NULL at the end. Empty ones and "." are passed over. */
static char *path_next(char **rest)
{
    char *name;
    do {
        name = strsep(rest, "/");
    } while (name != NULL && (name[0] == '\0' || strcmp(name, ".") == 0));
    return name;
}

/* Whether path_next would find nothing more. */
static bool path_at_end(const char *rest)
{
    while (rest != NULL && *rest != '\0') {
        size_t length = strcspn(rest, "/");
        if (length > 1 || (length == 1 && rest[0] != '.')) {
            return false;
        }
        rest += length + (rest[length] == '/');
    }
    return true;
}

/* Walks from / and makes what is missing. Returns a descriptor of the last folder (readable, not followed
 * when it is a symbolic link) or -1. Every step is relative to the last one's descriptor, so nobody can swap
 * a part meanwhile. */
static int folder_make(const char *path, bool *ret_made, char *error, size_t error_size)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    char *rest = copy;
    char reached[PATH_MAX] = "/";
    bool made = false;
    int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (char *name = path_next(&rest); fd >= 0 && name != NULL; name = path_next(&rest)) {
        bool last = path_at_end(rest);
        mode_t mode = last ? 0700 : 0711;
        size_t used = strlen(reached);
        snprintf(reached + used, sizeof reached - used, "%s%s", used > 1 ? "/" : "", name);
        made = mkdirat(fd, name, mode) == 0;
        if (!made && errno != EEXIST && errno != EROFS && errno != EACCES) {
            snprintf(error, error_size, "cannot make the folder %s: %m; choose another --state-dir", reached);
            close(fd);
            return -1;
        }
        /* The umask may have taken bits away. */
        bool good = !made || fchmodat(fd, name, mode, 0) == 0;
        int flags = last ? O_RDONLY | O_NOFOLLOW : O_PATH;
        int next = good ? openat(fd, name, flags | O_DIRECTORY | O_CLOEXEC) : -1;
        int saved = errno;
        struct stat status;
        bool link = last && fstatat(fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(status.st_mode);
        close(fd);
        fd = next;
        errno = saved;
        if (fd < 0 && link) {
            snprintf(error, error_size,
                     "the state folder %s is a symbolic link; set --state-dir to the folder it points to",
                     reached);
        } else if (fd < 0 && errno == ENOENT) {
            snprintf(error, error_size,
                     "cannot make the folder %s: its parent may not be written; make it as root, "
                     "give it to the user of the service, or choose another --state-dir",
                     reached);
        } else if (fd < 0) {
            snprintf(error, error_size,
                     "cannot use the folder %s: %m; choose another --state-dir, such as " DEFAULT_STATE_DIR,
                     reached);
        }
    }
    *ret_made = made;
    return fd;
}

static bool name_is_ours(const char *name)
{
    static const char *const names[] = {"lock", "root-key", "root-access-key.json", "service.json",
                                        "postgresql"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t length = strlen(names[i]);
        /* With a dot after it: the temporary file of a killed write. */
        if (strncmp(name, names[i], length) == 0 && (name[length] == '\0' || name[length] == '.')) {
            return true;
        }
    }
    return false;
}

static bool name_may_stand_beside(const char *name)
{
    size_t length = strlen(name);
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "lost+found") == 0 ||
           (length > 4 && strcmp(name + length - 4, ".log") == 0);
}

/* Gives one entry to the account if it is root's. Through a descriptor, and never a file with a second name:
 * who could write the folder before may have put a link to a file of the system's there. */
static bool entry_hand_over(int folder_fd, const char *name, const struct account *account)
{
    int fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT || errno == ELOOP;
    }
    struct stat status;
    bool good = fstat(fd, &status) == 0;
    if (good && status.st_uid == 0 &&
        (S_ISDIR(status.st_mode) || (S_ISREG(status.st_mode) && status.st_nlink == 1))) {
        good = fchown(fd, account->uid, account->gid) == 0;
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return good;
}

/* Hands over the service's own entries; with `only_ours` false as soon as there is anything else. */
static bool entries_hand_over(int folder_fd, const char *path, const struct account *account, bool check_only,
                              char *error, size_t error_size)
{
    int copy = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = copy < 0 ? NULL : fdopendir(copy);
    if (folder == NULL) {
        snprintf(error, error_size, "cannot list the state folder %s: %m; choose another --state-dir", path);
        if (copy >= 0) {
            close(copy);
        }
        return false;
    }
    bool good = true;
    /* glibc's readdir is safe on a stream of one's own. */
    // cppcheck-suppress readdirCalled
    for (struct dirent *entry = readdir(folder); good && entry != NULL; entry = readdir(folder)) {
        bool ours = name_is_ours(entry->d_name);
        if (check_only && !ours && !name_may_stand_beside(entry->d_name)) {
            snprintf(error, error_size,
                     "the state folder %s belongs to root and holds %s, which is not Postreeve's; set "
                     "--state-dir to "
                     "an empty folder",
                     path, entry->d_name);
            good = false;
        } else if (!check_only && ours && !entry_hand_over(folder_fd, entry->d_name, account)) {
            snprintf(error, error_size, "cannot give %s/%s to the user %s: %m; do it with chown", path,
                     entry->d_name, account->name);
            good = false;
        }
    }
    closedir(folder);
    return good;
}

static bool folder_hand_over(int fd, const char *path, bool made, const struct account *account, char *error,
                             size_t error_size)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        snprintf(error, error_size, "cannot look at the state folder %s: %m", path);
        return false;
    }
    if (status.st_uid == 0) {
        if (!made && !entries_hand_over(fd, path, account, true, error, error_size)) {
            return false;
        }
        if (fchown(fd, account->uid, account->gid) != 0) {
            snprintf(error, error_size,
                     "cannot give the state folder %s to the user %s: %m; do it with chown", path,
                     account->name);
            return false;
        }
    } else if (status.st_uid != account->uid) {
        snprintf(error, error_size,
                 "the state folder %s belongs to user id %u, not to %s; name its owner with --user, or run: "
                 "chown -R %s %s",
                 path, (unsigned)status.st_uid, account->name, account->name, path);
        return false;
    }
    return entries_hand_over(fd, path, account, false, error, error_size);
}

static bool folder_check(int fd, const char *path, uid_t owner, char *error, size_t error_size)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        snprintf(error, error_size, "cannot look at the state folder %s: %m", path);
        return false;
    }
    if ((status.st_mode & 022) != 0) {
        snprintf(error, error_size,
                 "the state folder %s may be written by others (mode %04o); run: chmod go-w %s", path,
                 (unsigned)(status.st_mode & 07777), path);
        return false;
    }
    if (owner != (uid_t)-1 && status.st_uid != owner) {
        snprintf(error, error_size,
                 "the state folder %s belongs to user id %u, not to the service (user id %u); choose another "
                 "--state-dir or give it the folder with chown -R",
                 path, (unsigned)status.st_uid, (unsigned)owner);
        return false;
    }
    return true;
}

/* The first folder on the way that the current user may not enter, in `obstacle`; "" when there is none. What
 * is missing or no folder is none: making the folder deals with it. The state folder itself is looked at only
 * with `whole`. */
static void obstacle_find(const char *path, bool whole, char obstacle[static PATH_MAX])
{
    char copy[PATH_MAX];
    char reached[PATH_MAX] = "/";
    snprintf(copy, sizeof copy, "%s", path);
    obstacle[0] = '\0';
    char *rest = copy;
    for (char *name = path_next(&rest); name != NULL; name = path_next(&rest)) {
        if (faccessat(AT_FDCWD, reached, X_OK, AT_EACCESS) != 0) {
            snprintf(obstacle, PATH_MAX, "%s", errno == EACCES ? reached : "");
            return;
        }
        size_t used = strlen(reached);
        snprintf(reached + used, sizeof reached - used, "%s%s", used > 1 ? "/" : "", name);
    }
    if (whole && faccessat(AT_FDCWD, reached, R_OK | W_OK | X_OK, AT_EACCESS) != 0) {
        snprintf(obstacle, PATH_MAX, "%s", reached);
    }
}

static bool read_text(int fd, char *out, size_t out_size)
{
    size_t size = 0;
    while (size < out_size - 1) {
        ssize_t got = read(fd, out + size, out_size - 1 - size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            break;
        }
        size += (size_t)got;
    }
    out[size] = '\0';
    return size > 0;
}

/* obstacle_find as the user, in a child: the only test that sees access lists, group rights and mounts as
 * they will be. The child writes "=" and the obstacle. */
static bool obstacle_find_as(const struct account *account, const char *path, bool whole,
                             char obstacle[static PATH_MAX], char *error, size_t error_size)
{
    int answer[2];
    if (pipe2(answer, O_CLOEXEC) != 0) {
        snprintf(error, error_size, "cannot check the way to the state folder: %m; try again");
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        char text[PATH_MAX + 1] = "=";
        if (initgroups(account->name, account->gid) != 0 || setgid(account->gid) != 0 ||
            setuid(account->uid) != 0) {
            _exit(1);
        }
        obstacle_find(path, whole, text + 1);
        _exit(write(answer[1], text, strlen(text)) == (ssize_t)strlen(text) ? 0 : 1);
    }
    close(answer[1]);
    char text[PATH_MAX + 1] = "";
    bool answered = pid > 0 && read_text(answer[0], text, sizeof text);
    close(answer[0]);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    if (!answered) {
        snprintf(error, error_size,
                 "cannot check the way to the state folder as the user %s; are its groups in order (id %s)?",
                 account->name, account->name);
        return false;
    }
    snprintf(obstacle, PATH_MAX, "%s", text + 1);
    return true;
}

/* Whether the user (`account` NULL: the current one) can get to the folder; asked for the parents before
 * anything is made or given away, and for the whole at the end. */
static bool way_check(const char *path, bool whole, const struct account *account, char *error,
                      size_t error_size)
{
    char obstacle[PATH_MAX];
    if (account == NULL) {
        obstacle_find(path, whole, obstacle);
    } else if (!obstacle_find_as(account, path, whole, obstacle, error, error_size)) {
        return false;
    }
    if (obstacle[0] != '\0') {
        snprintf(error, error_size,
                 "%s%s cannot use the state folder %s: no permission to enter %s; choose another "
                 "--state-dir, such as " DEFAULT_STATE_DIR ", or run: chmod o+x %s",
                 account == NULL ? "the service" : "the user ", account == NULL ? "" : account->name, path,
                 obstacle, obstacle);
        return false;
    }
    return true;
}

bool privileges_prepare_state_dir(const char *state_dir, const char *user, char *error, size_t error_size)
{
    char path[PATH_MAX];
    struct account account;
    bool hand_over = user != NULL && geteuid() == 0;
    bool made = false;
    if (!path_make_absolute(state_dir, path, error, error_size) ||
        (hand_over && !account_find(user, &account, error, error_size))) {
        return false;
    }
    if (path_at_end(path)) {
        snprintf(error, error_size,
                 "the root folder cannot be the state folder; set --state-dir to a folder of its own");
        return false;
    }
    const struct account *as = hand_over ? &account : NULL;
    if (!way_check(path, false, as, error, error_size)) {
        return false;
    }
    __attribute__((cleanup(fd_close))) int fd = folder_make(path, &made, error, error_size);
    if (fd < 0) {
        return false;
    }
    if (!hand_over) {
        return folder_check(fd, path, geteuid(), error, error_size) &&
               way_check(path, true, as, error, error_size);
    }
    return folder_check(fd, path, (uid_t)-1, error, error_size) &&
           folder_hand_over(fd, path, made, &account, error, error_size) &&
           way_check(path, true, as, error, error_size);
}

/* ---- Dropping ---- */

static bool is_for_good(const struct account *account)
{
    uid_t real_uid = 0;
    uid_t effective_uid = 0;
    uid_t saved_uid = 0;
    gid_t real_gid = 0;
    gid_t effective_gid = 0;
    gid_t saved_gid = 0;
    if (getresuid(&real_uid, &effective_uid, &saved_uid) != 0 ||
        getresgid(&real_gid, &effective_gid, &saved_gid) != 0) {
        return false;
    }
    return real_uid == account->uid && effective_uid == account->uid && saved_uid == account->uid &&
           real_gid == account->gid && effective_gid == account->gid && saved_gid == account->gid &&
           setuid(0) != 0 && seteuid(0) != 0;
}

bool privileges_drop(const char *user, char *error, size_t error_size)
{
    if (geteuid() == 0) {
        struct account account;
        if (user == NULL || user[0] == '\0') {
            snprintf(error, error_size, "started as root without a user to become; name one with --user");
            return false;
        }
        if (!account_find(user, &account, error, error_size)) {
            return false;
        }
        if (initgroups(account.name, account.gid) != 0 || setgid(account.gid) != 0 ||
            setuid(account.uid) != 0) {
            snprintf(error, error_size,
                     "cannot become the user %s: %m; start the service as that user instead", user);
            return false;
        }
        if (!is_for_good(&account)) {
            snprintf(error, error_size,
                     "became the user %s but could become root again; start it as that user instead", user);
            return false;
        }
        /* Libraries look for files in HOME: root's would be unreadable. */
        if (setenv("HOME", account.home, 1) != 0 || setenv("USER", account.name, 1) != 0 ||
            setenv("LOGNAME", account.name, 1) != 0) {
            snprintf(error, error_size, "cannot set HOME and USER: %m; try again");
            return false;
        }
        /* The kernel does so upon a change of ids, if fs.suid_dumpable is not set otherwise. */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
            snprintf(error, error_size, "cannot protect the memory of the service: %m; try again");
            return false;
        }
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        snprintf(error, error_size,
                 "cannot give up new privileges: %m; the kernel must be Linux 3.5 or later");
        return false;
    }
    return true;
}
