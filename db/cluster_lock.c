#include "db/cluster_lock.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/child.h"
#include "db/cluster.h"

#define WAIT_MS 30000
#define POLL_MS 3

/* All processes of a server work in its data folder. Its lock file does not tell: the process that it names
 * may have ended, its number may be another's now, and children of a killed server live on for a moment. */
static bool uses_cluster(const struct cluster *cluster, const char *pid)
{
    char path[NAME_MAX + 16];
    char folder[PATH_MAX];
    char name[32] = "";
    size_t base_length = strlen(cluster->base);

    snprintf(path, sizeof(path), "/proc/%s/cwd", pid);
    ssize_t length = readlink(path, folder, sizeof(folder) - 1);
    if (length < (ssize_t)base_length || strncmp(folder, cluster->base, base_length) != 0)
        return false;
    folder[length] = '\0';
    if (folder[base_length] != '/' && folder[base_length] != '\0')
        return false;
    /* A shell may stand there too. */
    snprintf(path, sizeof(path), "/proc/%s/comm", pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool named = fgets(name, sizeof(name), file) != NULL;
    fclose(file);
    return named && (strcmp(name, "postgres\n") == 0 || strcmp(name, "initdb\n") == 0);
}

/* The number of a process that uses the cluster, or 0. */
static long find_user(const struct cluster *cluster)
{
    DIR *processes = opendir("/proc");
    if (processes == NULL)
        return 0;
    long found = 0;
    for (struct dirent *entry = readdir(processes); entry != NULL && found == 0; entry = readdir(processes))
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && uses_cluster(cluster, entry->d_name))
            found = strtol(entry->d_name, NULL, 10);
    closedir(processes);
    return found;
}

/* The server does not start while a process with the number in its lock file lives, whatever that is. */
static bool remove_lock_files(const struct cluster *cluster, char *error, size_t error_size)
{
    const struct {
        const char *folder;
        const char *name;
    } files[] = {{cluster->data, "postmaster.pid"},
                 {cluster->run, CLUSTER_SOCKET},
                 {cluster->run, CLUSTER_SOCKET ".lock"}};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof(path), "%s/%s", files[i].folder, files[i].name);
        if (unlink(path) != 0 && errno != ENOENT) {
            snprintf(error, error_size, "cannot remove the left-over file %s: %m; check its owner", path);
            return false;
        }
    }
    return true;
}

bool cluster_lock_wait(const struct cluster *cluster, char *error, size_t error_size)
{
    long user;
    for (int waited = 0; (user = find_user(cluster)) != 0; waited += POLL_MS) {
        if (waited >= WAIT_MS) {
            snprintf(
                error, error_size,
                "PostgreSQL process %ld still uses %s after %d s; end it (kill -INT %ld) and start again",
                user, cluster->base, WAIT_MS / 1000, user);
            return false;
        }
        if (!child_pause(POLL_MS)) {
            snprintf(error, error_size, "asked to end while PostgreSQL process %ld still uses %s", user,
                     cluster->base);
            return false;
        }
    }
    return remove_lock_files(cluster, error, error_size);
}
