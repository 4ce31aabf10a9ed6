/* Operations on directories. */
#pragma once

#include "api/request.h"

enum code list_directories(struct request *request);
enum code describe_directory(struct request *request);
enum code delete_directory(struct request *request);
