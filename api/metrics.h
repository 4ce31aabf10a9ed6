/* The metrics of this process and its database in Prometheus' text format (version 0.0.4). */
#pragma once

#include "api/app.h"
#include "model/buffer.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct request;

/* Has a database connection of its own, made when it is first looked at. */
struct metrics_view *metrics_view_new(const struct db_environment *environment);
void metrics_view_free(struct metrics_view *view);

/* Waits for the database for a few seconds at most, and tells the rest when that does not answer. */
void metrics_write(const struct app *app, struct buffer *out);

enum code get_metrics(struct request *request);
