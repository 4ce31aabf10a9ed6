/* `postreeve admin describe-api`: the route and field tables as JSON, for tests and generators. */
#pragma once

void describe_api(void);
