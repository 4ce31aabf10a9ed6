/* Why a directory cannot be used. Every function of this folder that fails adds one fault at /connection whose code is one of
 * these (lower case, without LDAP_FAULT_), and whose detail says in plain words what to do. */
#pragma once

#include "model/problem.h"

/* X(constant, code) */
#define LDAP_FAULT_LIST(X)                                 \
    X(LDAP_FAULT_NAME_NOT_RESOLVED, "name_not_resolved")   \
    X(LDAP_FAULT_CONNECTION_REFUSED, "connection_refused") \
    X(LDAP_FAULT_UNREACHABLE, "unreachable")               \
    X(LDAP_FAULT_TIMED_OUT, "timed_out")                   \
    X(LDAP_FAULT_TLS_NOT_TRUSTED, "tls_not_trusted")       \
    X(LDAP_FAULT_TLS_NAME_MISMATCH, "tls_name_mismatch")   \
    X(LDAP_FAULT_TLS_FAILED, "tls_failed")                 \
    X(LDAP_FAULT_TLS_REQUIRED, "tls_required")             \
    X(LDAP_FAULT_BAD_CREDENTIALS, "bad_credentials")       \
    X(LDAP_FAULT_BASE_DN_NOT_FOUND, "base_dn_not_found")   \
    X(LDAP_FAULT_NO_PERMISSION, "no_permission")           \
    X(LDAP_FAULT_LIMIT_EXCEEDED, "limit_exceeded")         \
    X(LDAP_FAULT_CONNECTION_LOST, "connection_lost")       \
    X(LDAP_FAULT_PLAIN_NOT_ALLOWED, "plain_not_allowed")   \
    X(LDAP_FAULT_SERVER_FAILED, "server_failed")

enum ldap_fault {
#define LDAP_FAULT_CONSTANT(constant, code) constant,
    LDAP_FAULT_LIST(LDAP_FAULT_CONSTANT)
#undef LDAP_FAULT_CONSTANT
};

/* Adds it, and is CODE_VALIDATION_FAILED: a macro, so that static analysis sees that it is not CODE_OK. */
#define ldap_fault_add(problem, fault, ...) \
    (ldap_fault_fill(problem, fault, __VA_ARGS__), CODE_VALIDATION_FAILED)
void ldap_fault_fill(struct problem *problem, enum ldap_fault fault, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Makes CODE_DIRECTORY_UNREACHABLE of the fault that was added, and is it. */
enum code ldap_fault_unreachable(struct problem *problem);
