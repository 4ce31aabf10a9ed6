/* Availability configurations, and the tests of what they name. */
#pragma once

#include "api/request.h"

enum code create_availability_configuration(struct request *request);
enum code list_availability_configurations(struct request *request);
enum code queue_availability_configuration(struct request *request);
enum code get_availability_configuration(struct request *request);
enum code update_availability_configuration(struct request *request);
enum code delete_availability_configuration(struct request *request);
enum code test_availability_configuration(struct request *request);
