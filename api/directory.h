/* Operations on directories. */
#pragma once

#include "api/request.h"

enum code create_directory(struct request *request);
enum code update_directory(struct request *request);
enum code test_directory(struct request *request);
enum code sync_directory(struct request *request);
enum code list_directory_errors(struct request *request);
enum code list_directories(struct request *request);
enum code describe_directory(struct request *request);
enum code delete_directory(struct request *request);
