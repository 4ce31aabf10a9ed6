/* The audit log over HTTP. */
#pragma once

#include "model/code.h"

struct request;

enum code list_audit_events(struct request *request);
enum code list_audit_events_for_organization(struct request *request);
enum code export_audit_events(struct request *request);
enum code verify_audit_log(struct request *request);
