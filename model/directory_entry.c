#include "model/directory_entry.h"
