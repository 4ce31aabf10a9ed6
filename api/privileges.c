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
#include <sys/wait.h>
#include <unistd.h>

#define OTHER_FOLDER "choose another --state-dir, such as /var/lib/postreeve"

struct account {
    struct passwd entry;
    char buffer[16384]; /* the strings of the entry */
};

static bool find_account(const char *user, struct account *account, char *error, size_t error_size)
{
    struct passwd *found = NULL;
    int code = getpwnam_r(user, &account->entry, account->buffer, sizeof(account->buffer), &found);
    if (found == NULL && code == 0) {
        snprintf(
            error, error_size,
            "the user %s does not exist; run: useradd --system --no-create-home --shell /usr/sbin/nologin %s",
            user, user);
        return false;
    }
    if (found == NULL) {
        snprintf(error, error_size, "cannot look up the user %s: %s; check /etc/nsswitch.conf", user,
                 strerror(code));
        return false;
    }
    if (found->pw_uid == 0)
        snprintf(
            error, error_size,
            "the user %s is root, as which PostgreSQL refuses to run; name an unprivileged user with --user",
            user);
    return found->pw_uid != 0;
}

static bool become(const struct passwd *user)
{
    return initgroups(user->pw_name, user->pw_gid) == 0 && setgid(user->pw_gid) == 0 &&
           setuid(user->pw_uid) == 0;
}

/* --- the way to the state folder --- */

/* Makes it absolute and takes empty parts and "." out; symbolic links stay. */
static bool clean_path(const char *given, char path[static PATH_MAX], char *error, size_t error_size)
{
    char raw[PATH_MAX];
    char folder[PATH_MAX] = "";
    if (given[0] != '/' && getcwd(folder, sizeof(folder)) == NULL) {
        snprintf(error, error_size,
                 "cannot tell the current folder: %m; set --state-dir to a path that starts with /");
        return false;
    }
    if (snprintf(raw, sizeof(raw), "%s/%s", folder, given) >= PATH_MAX) {
        snprintf(error, error_size, "the path of the state folder is too long; choose a shorter one");
        return false;
    }
    char *end = path;
    char *rest = raw;
    for (const char *part = strsep(&rest, "/"); part != NULL; part = strsep(&rest, "/"))
        if (*part != '\0' && strcmp(part, ".") != 0)
            end = stpcpy(stpcpy(end, "/"), part);
    if (end == path || *given == '\0')
        snprintf(error, error_size, "the state folder must be a folder of its own; set --state-dir");
    return end != path && *given != '\0';
}

/* How many slashes lead to the end of the first folder on the way that the current user may not enter; 0 when
 * there is none. What is missing is none: making the folder deals with it. The state folder itself is looked
 * at only with `whole`. */
static int find_obstacle(const char *path, bool whole)
{
    char part[PATH_MAX];
    int depth = 1;
    for (const char *end = strchr(path + 1, '/'); end != NULL; end = strchr(end + 1, '/'), depth++) {
        snprintf(part, sizeof(part), "%.*s", (int)(end - path), path);
        if (faccessat(AT_FDCWD, part, X_OK, AT_EACCESS) != 0)
            return errno == EACCES ? depth : 0;
    }
    return whole && faccessat(AT_FDCWD, path, R_OK | W_OK | X_OK, AT_EACCESS) != 0 ? depth : 0;
}

/* The same as that user (NULL: the current one), in a child: the only test that sees access lists, group
 * rights and mounts as they will be. -1 on failure. */
static int find_obstacle_as(const struct passwd *user, const char *path, bool whole)
{
    int status;
    if (user == NULL)
        return find_obstacle(path, whole);
    pid_t pid = fork();
    if (pid == 0) {
        int depth = become(user) ? find_obstacle(path, whole) : UCHAR_MAX;
        _exit(depth < UCHAR_MAX ? depth : UCHAR_MAX);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return -1;
    return WEXITSTATUS(status) == UCHAR_MAX ? -1 : WEXITSTATUS(status);
}

/* Asked for the parents before anything is made or given away, and for the whole at the end. */
static bool check_way(const struct passwd *user, const char *path, bool whole, char *error, size_t error_size)
{
    int depth = find_obstacle_as(user, path, whole);
    if (depth < 0 && user != NULL)
        snprintf(error, error_size,
                 "cannot check the way to the state folder as the user %s; are its groups in order (id %s)?",
                 user->pw_name, user->pw_name);
    if (depth <= 0)
        return depth == 0;
    const char *end = path;
    for (int i = 0; i < depth; i++)
        end = strchrnul(end + 1, '/');
    snprintf(error, error_size,
             "%s%s cannot use the state folder %s: no permission to enter %.*s; " OTHER_FOLDER
             ", or run: chmod o+x %.*s",
             user == NULL ? "the service" : "the user ", user == NULL ? "" : user->pw_name, path,
             (int)(end - path), path, (int)(end - path), path);
    return false;
}

/* Walks from / and makes what is missing. Returns a descriptor of the last folder, or -1. Every step is
 * relative to the last one's descriptor, so nobody can swap a part meanwhile. */
static int open_folder(const char *path, bool *ret_made, char *error, size_t error_size)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof(copy), "%s", path + 1);
    char *rest = copy;
    bool made = false;
    mode_t mask = umask(0);
    int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    while (fd >= 0 && rest != NULL) {
        const char *name = strsep(&rest, "/");
        bool last = rest == NULL;
        made = mkdirat(fd, name, last ? 0700 : 0711) == 0;
        int why = errno;
        int next = openat(fd, name, (last ? O_RDONLY | O_NOFOLLOW : O_PATH) | O_DIRECTORY | O_CLOEXEC);
        if (next < 0 && errno != ENOENT)
            why = errno;
        close(fd);
        fd = next;
        errno = why;
        if (fd < 0 && errno == ENOTDIR)
            snprintf(
                error, error_size,
                "%.*s is no folder, or a symbolic link in the place of the state folder; set --state-dir to "
                "the folder itself",
                (int)(name - copy) + 1 + (int)strlen(name), path);
        else if (fd < 0)
            snprintf(
                error, error_size,
                "cannot make the folder %.*s: %m; make it as root and give it to the user of the service, "
                "or " OTHER_FOLDER,
                (int)(name - copy) + 1 + (int)strlen(name), path);
    }
    umask(mask);
    *ret_made = made;
    return fd;
}

/* --- the state folder changes hands --- */

static const char *const our_names[] = {"lock", "root-key", "root-access-key.json", "service.json",
                                        "postgresql"};
#define NAME_COUNT (sizeof(our_names) / sizeof(our_names[0]))

static bool may_be_there(const char *name)
{
    for (size_t i = 0; i < NAME_COUNT; i++) {
        size_t length = strlen(our_names[i]);
        /* With a dot after it: the temporary file of a killed write. */
        if (strncmp(name, our_names[i], length) == 0 && (name[length] == '\0' || name[length] == '.'))
            return true;
    }
    const char *end = strrchr(name, '.');
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "lost+found") == 0 ||
           (end != NULL && strcmp(end, ".log") == 0);
}

/* Whether a folder of root's holds nothing that is not the service's. */
static bool check_contents(int folder_fd, const char *path, char *error, size_t error_size)
{
    int copy = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = copy < 0 ? NULL : fdopendir(copy);
    if (folder == NULL) {
        if (copy >= 0)
            close(copy);
        snprintf(error, error_size, "cannot list the state folder %s: %m; " OTHER_FOLDER, path);
        return false;
    }
    struct dirent *entry = readdir(folder);
    while (entry != NULL && may_be_there(entry->d_name))
        entry = readdir(folder);
    if (entry != NULL)
        snprintf(
            error, error_size,
            "the state folder %s belongs to root and holds %s, which is not Postreeve's; set --state-dir to "
            "an empty folder",
            path, entry->d_name);
    closedir(folder);
    return entry == NULL;
}

/* Gives one entry to the user if it is root's. Through a descriptor, and never a file with a second name: who
 * could write the folder before may have put a link to a file of the system's there. */
static bool hand_over_entry(int folder_fd, const char *name, const struct passwd *user)
{
    int fd = openat(folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ELOOP;
    struct stat status;
    bool good = fstat(fd, &status) == 0;
    if (good && status.st_uid == 0 &&
        (S_ISDIR(status.st_mode) || (S_ISREG(status.st_mode) && status.st_nlink == 1)))
        good = fchown(fd, user->pw_uid, user->pw_gid) == 0;
    close(fd);
    return good;
}

/* The folder and the service's files directly in it. */
static bool hand_over(int fd, const char *path, const struct passwd *user, char *error, size_t error_size)
{
    bool good = hand_over_entry(fd, ".", user);
    for (size_t i = 0; good && i < NAME_COUNT; i++)
        good = hand_over_entry(fd, our_names[i], user);
    if (!good)
        snprintf(error, error_size, "cannot give the state folder %s to the user %s: %m; run: chown -R %s %s",
                 path, user->pw_name, user->pw_name, path);
    return good;
}

static bool check_folder(int fd, const char *path, bool made, uid_t owner, char *error, size_t error_size)
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
    if (status.st_uid == owner || made)
        return true;
    if (status.st_uid == 0 && geteuid() == 0)
        return check_contents(fd, path, error, error_size);
    snprintf(error, error_size,
             "the state folder %s belongs to user id %u, not to the service (user id %u); choose another "
             "--state-dir, name its owner with --user, or give it the folder with chown -R",
             path, (unsigned)status.st_uid, (unsigned)owner);
    return false;
}

bool privileges_prepare_state_dir(const char *state_dir, const char *user, char *error, size_t error_size)
{
    char path[PATH_MAX];
    struct account account;
    const struct passwd *heir = NULL;
    bool made;
    if (user != NULL && geteuid() == 0) {
        if (!find_account(user, &account, error, error_size))
            return false;
        heir = &account.entry;
    }
    if (!clean_path(state_dir, path, error, error_size) || !check_way(heir, path, false, error, error_size))
        return false;
    int fd = open_folder(path, &made, error, error_size);
    if (fd < 0)
        return false;
    bool good = check_folder(fd, path, made, heir != NULL ? heir->pw_uid : geteuid(), error, error_size) &&
                (heir == NULL || hand_over(fd, path, heir, error, error_size)) &&
                check_way(heir, path, true, error, error_size);
    close(fd);
    return good;
}

/* --- dropping --- */

static bool drop(const char *user, char *error, size_t error_size)
{
    struct account account;
    if (user == NULL || *user == '\0') {
        snprintf(error, error_size, "started as root without a user to become; name one with --user");
        return false;
    }
    if (!find_account(user, &account, error, error_size))
        return false;
    if (!become(&account.entry)) {
        snprintf(error, error_size, "cannot become the user %s: %m; start the service as that user instead",
                 user);
        return false;
    }
    if (setuid(0) == 0) {
        snprintf(error, error_size,
                 "became the user %s but could become root again; start it as that user instead", user);
        return false;
    }
    /* Libraries look for files in HOME: root's would be unreadable. And the kernel makes the process not
     * dumpable upon a change of ids only if fs.suid_dumpable is not set otherwise. */
    if (setenv("HOME", account.entry.pw_dir, 1) != 0 || setenv("USER", account.entry.pw_name, 1) != 0 ||
        setenv("LOGNAME", account.entry.pw_name, 1) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        snprintf(error, error_size, "cannot set up the process for the user %s: %m; try again", user);
        return false;
    }
    return true;
}

bool privileges_drop(const char *user, char *error, size_t error_size)
{
    if (geteuid() == 0 && !drop(user, error, error_size))
        return false;
    bool done = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    if (!done)
        snprintf(error, error_size,
                 "cannot give up new privileges: %m; the kernel must be Linux 3.5 or later");
    return done;
}
