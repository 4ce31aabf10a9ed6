#include "db/wait.h"

#include <poll.h>
#include <stdint.h>
#include <time.h>

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool wait_for_result(PGconn *connection, int timeout_ms)
{
    int64_t until = now_ms() + timeout_ms;
    bool sending = PQflush(connection) == 1;
    while (PQisBusy(connection)) {
        int64_t left = until - now_ms();
        struct pollfd fd = {.fd = PQsocket(connection), .events = (short)(POLLIN | (sending ? POLLOUT : 0))};
        if (left <= 0 || fd.fd < 0)
            return false;
        if (poll(&fd, 1, (int)left) > 0 && PQconsumeInput(connection) != 1)
            return false;
        sending = sending && PQflush(connection) == 1;
    }
    return true;
}

/* The last result of what was sent. */
static PGresult *receive(PGconn *connection, int timeout_ms)
{
    PGresult *last = NULL;
    for (;;) {
        if (!wait_for_result(connection, timeout_ms)) {
            PQclear(last);
            return NULL;
        }
        PGresult *result = PQgetResult(connection);
        if (result == NULL)
            return last;
        PQclear(last);
        last = result;
    }
}

PGresult *wait_run(PGconn *connection, const char *sql, int timeout_ms)
{
    return PQsendQuery(connection, sql) == 1 ? receive(connection, timeout_ms) : NULL;
}

PGresult *wait_run_with(PGconn *connection, const char *sql, const char *parameter, int timeout_ms)
{
    return PQsendQueryParams(connection, sql, 1, NULL, &parameter, NULL, NULL, 0) == 1
               ? receive(connection, timeout_ms)
               : NULL;
}

bool wait_is_alive(PGconn *connection)
{
    struct pollfd fd = {.fd = PQsocket(connection), .events = POLLIN};
    /* Nobody asked for anything: what is to be read is a farewell, whose end of file may come a moment later. */
    return fd.fd >= 0 && poll(&fd, 1, 0) == 0;
}
