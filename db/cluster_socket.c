#include "db/cluster_socket.h"

#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "model/text.h"

bool cluster_socket_check(const char *run, char *error, size_t error_size)
{
    /* They end or escape the path in libpq's strings and in the server's settings. */
    if (text_has_control(run) || strpbrk(run, ",\"'\\") != NULL) {
        snprintf(
            error, error_size,
            "the path of the state folder holds a comma, a quote, a backslash or a control character, which "
            "PostgreSQL cannot have in the path of a socket; choose another --state-dir");
        return false;
    }
    size_t limit = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
    size_t length = strlen(run) + strlen("/" CLUSTER_SOCKET);
    if (length > limit)
        snprintf(error, error_size,
                 "the socket path %s/" CLUSTER_SOCKET " has %zu bytes, the system allows %zu; choose a "
                 "--state-dir whose path is at least %zu bytes shorter",
                 run, length, limit, length - limit);
    return length <= limit;
}

const char *cluster_socket_conninfo(struct arena *arena, const char *run, const char *database)
{
    /* The port is named lest PGPORT decide. */
    return arena_printf(arena, "host='%s' port=" CLUSTER_PORT " user=postreeve dbname=%s connect_timeout=10",
                        run, database);
}
