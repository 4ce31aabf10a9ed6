/* Signing in and out, for the console. */
#pragma once

#include "api/request.h"

enum code create_session(struct request *request);
enum code describe_current_session(struct request *request);
enum code sign_out(struct request *request);
enum code list_sessions(struct request *request);
enum code delete_session(struct request *request);
