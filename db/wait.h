/* Waiting for PostgreSQL with a bound: its own time-outs do not help when its host, disk or network stands still. */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>

/* Waits until PQgetResult will not block. False when the time is over or the connection broke. */
bool wait_for_result(PGconn *connection, int timeout_ms);

/* One statement in the simple protocol; NULL when there was no answer in time. */
PGresult *wait_run(PGconn *connection, const char *sql, int timeout_ms);

/* The same with one text parameter. */
PGresult *wait_run_with(PGconn *connection, const char *sql, const char *parameter, int timeout_ms);

/* Whether an idle connection still stands: a server that ended it has said so. */
bool wait_is_alive(PGconn *connection);
